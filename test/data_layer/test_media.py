"""`data.media`: real photographs, real videos, streams served on this machine."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import logging
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
from skimage import data

from vlm_ros.data import capture, video
from vlm_ros.data.media import check_source, open_media
from vlm_ros.data.photographs import SAMPLES
from vlm_ros.errors import SourceError

PHOTO = data.astronaut()
FRAMES = 40
RATE_HZ = 20.0


def write(path, image=PHOTO):
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


def view(index):
    """Return what the video shows at a frame: the photograph, panned; 160x120."""
    left = 4 * index
    return np.ascontiguousarray(PHOTO[100:220, left : left + 160])


def write_video(path, codec='MJPG'):
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), RATE_HZ, (160, 120)
    )
    assert writer.isOpened()
    for index in range(FRAMES):
        writer.write(view(index)[..., ::-1])
    writer.release()
    return path


def shown(frame):
    """Tell which frame of the video an image is."""
    errors = [np.abs(frame.image.astype(int) - view(index)).mean() for index in range(FRAMES)]
    assert min(errors) < 8
    return int(np.argmin(errors))


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp('video') / 'pan.avi')


# Photographs


def test_a_photograph(tmp_path):
    path = write(tmp_path / 'photo.png')
    with open_media(str(path)) as media:
        assert (media.length, media.rate_hz, media.is_live) == (1, None, False)
        (frame,) = media
    np.testing.assert_array_equal(frame.image, PHOTO)
    assert (frame.name, frame.index, frame.time_s) == (str(path), 0, None)


@pytest.mark.parametrize('name', ['猫と犬.png', 'фото с пробелом.jpg', '50% #1?.png', 'no_suffix'])
def test_names_of_every_kind(tmp_path, name):
    written = write(tmp_path / f'x{Path(name).suffix or ".png"}')
    path = written.rename(tmp_path / name)
    with open_media(str(path)) as media:
        assert next(iter(media)).image.shape == PHOTO.shape


def test_a_name_that_is_not_utf8(tmp_path, recording):
    photo = write(tmp_path / 'x.png').rename(tmp_path / '\udcff.png')
    with open_media(str(photo)) as media:
        assert next(iter(media)).image.shape == PHOTO.shape
    # OpenCV crashes on such a name.
    for name in ('\udcff', '\udcff.avi'):
        (tmp_path / name).write_bytes(recording.read_bytes())
        with pytest.raises(SourceError, match='is not UTF-8; rename the file'):
            open_media(str(tmp_path / name))


def test_a_file_address(tmp_path):
    path = write(tmp_path / 'a photo.png')
    with open_media(path.as_uri()) as media:
        assert next(iter(media)).image.shape == PHOTO.shape


def test_a_folder_is_read_in_the_order_in_which_people_count(tmp_path):
    for name in ('10.png', '9.png', '1.JPG', 'b2.png', '.hidden.png', 'notes.txt'):
        write(tmp_path / Path(name).with_suffix('.png'), PHOTO[:40, :50])
        (tmp_path / Path(name).with_suffix('.png')).rename(tmp_path / name)
    (tmp_path / 'folder.png').mkdir()
    with open_media(str(tmp_path)) as media:
        assert media.length == 4
        frames = list(media)
    assert [Path(frame.name).name for frame in frames] == ['1.JPG', '9.png', '10.png', 'b2.png']
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    with open_media(str(tmp_path), every=3) as media:
        assert media.length == 2
        assert [frame.index for frame in media] == [0, 3]


def test_broken_photographs_of_a_folder_are_reported_and_skipped(tmp_path, caplog):
    whole = write(tmp_path / 'b.jpg').read_bytes()
    (tmp_path / 'a.jpg').write_bytes(whole[: len(whole) // 2])
    (tmp_path / 'c.jpg').write_bytes(b'')
    skipped = []
    with open_media(str(tmp_path), on_skipped=lambda *why: skipped.append(why)) as media:
        assert [frame.index for frame in media] == [1]
    assert [Path(name).name for name, _ in skipped] == ['a.jpg', 'c.jpg']
    assert 'a.jpg cannot be read: the picture cannot be decoded' in str(skipped[0][1])
    with caplog.at_level(logging.WARNING), open_media(str(tmp_path)) as media:
        assert len(list(media)) == 1
    assert 'c.jpg cannot be read: the picture is empty' in caplog.text


@pytest.mark.parametrize('loop', [False, True])
def test_nothing_but_broken_photographs(tmp_path, loop):
    (tmp_path / 'a.jpg').write_bytes(b'a')
    (tmp_path / 'b.jpg').write_bytes(b'b')
    with open_media(str(tmp_path), loop=loop) as media:
        with pytest.raises(SourceError, match='none of the 2 photographs of'):
            list(media)
    with open_media(str(tmp_path / 'a.jpg'), loop=loop) as media:
        with pytest.raises(SourceError, match=r'a.jpg cannot be read: the 1 bytes are no picture'):
            list(media)


def test_a_loop_of_photographs_starts_again(tmp_path):
    write(tmp_path / '1.png')
    write(tmp_path / '2.png', PHOTO[::-1])
    (tmp_path / '3.png').write_bytes(b'broken')
    skipped = []
    with open_media(
        str(tmp_path), loop=True, on_skipped=lambda *why: skipped.append(why)
    ) as media:
        frames = [frame for frame, _ in zip(media, range(5), strict=False)]
    assert [frame.index for frame in frames] == [0, 1, 0, 1, 0]
    assert len(skipped) == 1


def test_samples():
    with open_media('sample:') as media:
        frames = list(media)
    assert [frame.name for frame in frames] == [f'sample:{name}' for name in SAMPLES]
    assert media.length == len(SAMPLES)
    with open_media('sample:chelsea') as media:
        (frame,) = media
    np.testing.assert_array_equal(frame.image, data.chelsea())


# What is not there


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('', 'the source is empty'),
        ('no/such.jpg', 'there is no file or folder no/such.jpg'),
        ('sample:chelsae', "there is no sample 'chelsae'; did you mean 'chelsea'?"),
        ('sample:xyz', "there is no sample 'xyz'; there are astronaut, chelsea"),
        ('gopher://host/stream', 'gopher://host/stream cannot be opened: the address must start'),
        ('/dev/null', '/dev/null is neither a file nor a folder'),
    ],
)
def test_what_is_not_there(source, message):
    for look in (check_source, open_media):
        with pytest.raises(SourceError) as caught:
            look(source)
        assert message in str(caught.value)
        assert '\n' not in str(caught.value)


def test_samples_without_their_packages(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(SourceError, match='pip install scikit-image scikit-learn'):
        open_media('sample:')


def test_an_empty_folder(tmp_path):
    with pytest.raises(SourceError, match=r'holds no photographs; looked for .jpg'):
        open_media(str(tmp_path))


@pytest.mark.parametrize(
    ('name', 'content'),
    [('a.txt', b'hello\n' * 100), ('a.mp4', b''), ('a.avi', b'nonsense' * 500), ('a', b'\0' * 99)],
)
def test_neither_a_photograph_nor_a_video(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match='is neither a photograph nor a video'):
        open_media(str(tmp_path / name))


def test_the_libraries_below_keep_quiet(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'')
    code = (
        'import sys\nfrom vlm_ros.data.media import open_media\n'
        'for source in sys.argv[1:]:\n'
        '    try: open_media(source)\n'
        '    except ValueError: print("refused")'
    )
    result = subprocess.run(
        [sys.executable, '-c', code, str(tmp_path / 'a.mp4'), '97'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.stderr) == ('refused\nrefused\n', '')


@pytest.mark.skipif(Path('/dev/video97').exists(), reason='there is such a camera')
@pytest.mark.parametrize('source', ['97', '/dev/video97'])
def test_a_camera_that_is_not_there(source):
    with pytest.raises(SourceError, match=r'there is no /dev/video97; cameras here: ') as caught:
        open_media(source)
    assert f'camera {source} cannot be opened: ' in str(caught.value)


def test_every_is_at_least_one(recording):
    with pytest.raises(SourceError, match='every must be 1 or more, got 0'):
        open_media(str(recording), every=0)


# Videos


@pytest.mark.parametrize(
    ('name', 'codec'), [('p.avi', 'MJPG'), ('p.mp4', 'mp4v'), ('видео.mkv', 'mp4v')]
)
def test_a_video(tmp_path, name, codec):
    path = write_video(tmp_path / name, codec)
    with open_media(str(path)) as media:
        assert (media.length, media.rate_hz, media.is_live) == (FRAMES, RATE_HZ, False)
        frames = list(media)
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [shown(frame) for frame in frames] == list(range(FRAMES))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(FRAMES) / RATE_HZ)
    assert {frame.name for frame in frames} == {str(path)}
    assert all(frame.image.flags.c_contiguous for frame in frames)


def test_every_so_many_th_frame(recording):
    with open_media(str(recording), every=15) as media:
        assert media.length == 3
        assert [(frame.index, shown(frame)) for frame in media] == [(0, 0), (15, 15), (30, 30)]


def test_a_video_in_a_loop(recording):
    with open_media(str(recording), loop=True) as media:
        indices = [frame.index for frame, _ in zip(media, range(FRAMES + 3), strict=False)]
    assert indices == [*range(FRAMES), 0, 1, 2]


@pytest.mark.parametrize(('name', 'codec'), [('p.avi', 'MJPG'), ('p.mkv', 'mp4v')])
@pytest.mark.parametrize('loop', [False, True])
def test_a_video_that_breaks_off(tmp_path, name, codec, loop):
    path = write_video(tmp_path / name, codec)
    os.truncate(path, path.stat().st_size * 6 // 10)
    frames = []
    with open_media(str(path), loop=loop) as media:
        with pytest.raises(SourceError) as caught:
            frames.extend(media)
    assert FRAMES // 2 < len(frames) < FRAMES - 5
    assert f'breaks off after {len(frames)} of {FRAMES} frames' in str(caught.value)


def test_a_video_without_its_index_cannot_be_opened(tmp_path):
    path = write_video(tmp_path / 'p.mp4', 'mp4v')
    os.truncate(path, path.stat().st_size * 6 // 10)
    with pytest.raises(SourceError, match=r'p.mp4 is neither a photograph nor a video'):
        open_media(str(path))


def test_a_video_with_a_header_and_no_frame(tmp_path):
    path = write_video(tmp_path / 'p.mkv', 'mp4v')
    os.truncate(path, path.stat().st_size * 3 // 100)
    with pytest.raises(SourceError, match=r'holds no frame|neither a photograph nor'):
        with open_media(str(path)) as media:
            list(media)


def test_a_video_that_is_left_early_leaves_nothing_running(recording):
    with open_media(str(recording)) as media:
        next(iter(media))
        media.close()
        assert list(media) == []
    assert not [thread for thread in threading.enumerate() if thread.name == 'video']


@pytest.mark.parametrize(
    ('rate_hz', 'promised', 'read', 'last_s', 'is_broken'),
    [
        (30, 300, 300, 9.97, False),
        (30, 300, 298, 9.90, False),
        (30, 300, 200, 6.63, True),
        # Irregular frames: fewer than the average rate promises, but up to the end.
        (60, 600, 250, 9.95, False),
        # The times are lost, the number is right.
        (30, 300, 300, 0.0, False),
        (0, 300, 200, 6.63, False),
        (30, -9e18, 200, 6.63, False),
    ],
)
def test_an_end_is_told_from_a_break(rate_hz, promised, read, last_s, is_broken):
    properties = {
        cv2.CAP_PROP_FRAME_COUNT: promised,
        cv2.CAP_PROP_FPS: rate_hz,
        cv2.CAP_PROP_POS_MSEC: last_s * 1000,
    }

    class Capture:
        get = staticmethod(properties.get)
        grabbed = 0

        def grab(self):
            self.grabbed += 1
            return self.grabbed <= read

        def retrieve(self):
            return True, view(0)

    reading = capture.Reading(Capture(), 'x.mkv', may_be_live=False, every=1)
    while reading.next() is not None:
        pass
    if not is_broken:
        reading.check_end()
        return
    with pytest.raises(SourceError, match=f'breaks off after {read} of {promised} frames'):
        reading.check_end()


# Streams


class Camera(BaseHTTPRequestHandler):
    """An HTTP camera: frames at a rate, then an end or a silence, by path; or a recording."""

    protocol_version = 'HTTP/1.1'
    released = threading.Event()
    folder = Path()

    def do_GET(self):
        try:
            if self.path.endswith('.avi'):
                self.send_recording()
            else:
                self.send_stream(*self.path.strip('/').split('/'))
        except OSError:
            pass  # the reader left

    def send_recording(self):
        content = Path(self.folder, self.path[1:]).read_bytes()
        self.send_response(200)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def send_stream(self, count, rate_hz, ending):
        self.close_connection = True
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
        self.end_headers()
        for index in range(int(count)):
            jpeg = cv2.imencode('.jpg', view(index % FRAMES)[..., ::-1])[1].tobytes()
            head = f'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n'
            self.wfile.write(head.encode() + jpeg + b'\r\n')
            if self.released.wait(1 / float(rate_hz)):
                return
        if ending == 'silence':
            self.released.wait(30)

    def log_message(self, *args):
        pass


@pytest.fixture
def camera(recording):
    Camera.released.clear()
    Camera.folder = recording.parent
    server = ThreadingHTTPServer(('127.0.0.1', 0), Camera)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f'http://127.0.0.1:{server.server_port}'
    Camera.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def within(limit_s):
    start = time.monotonic()
    yield
    assert time.monotonic() - start < limit_s


def test_a_stream_gives_the_newest_frame(camera):
    with open_media(f'{camera}/100/20/end') as media:
        assert (media.length, media.is_live) == (None, True)
        frames = []
        for frame in media:
            frames.append(frame)
            time.sleep(0.5)  # a slow model
            if len(frames) == 4:
                break
    indices = np.array([frame.index for frame in frames])
    # FFmpeg itself reads a few frames ahead of what it hands out.
    assert (np.diff(indices)[1:] >= 5).all()
    times_s = np.array([frame.time_s for frame in frames])
    assert (np.diff(times_s)[1:] > 0.3).all()
    assert [shown(frame) for frame in frames] == [index % FRAMES for index in indices]


def test_a_stream_that_ends_has_stopped(camera):
    frames = []
    with open_media(f'{camera}/10/50/end') as media:
        with pytest.raises(SourceError, match=r'/10/50/end stopped after 10 frame\(s\)'):
            frames.extend(media)
    assert frames


def test_a_stream_that_falls_silent(camera, monkeypatch):
    monkeypatch.setattr(video, 'READ_TIMEOUT_S', 1.0)
    with open_media(f'{camera}/10/50/silence') as media:
        with within(4), pytest.raises(SourceError, match=r'stopped after|has shown nothing for'):
            list(media)


def test_a_silent_stream_is_closed_at_once(camera):
    media = open_media(f'{camera}/10/50/silence')
    with media:
        frames = iter(media)
        next(frames)
        time.sleep(0.5)
        start = time.monotonic()
    assert time.monotonic() - start < 1


def test_closing_ends_an_iteration_on_another_thread(camera):
    media = open_media(f'{camera}/5/50/silence')
    ended = threading.Event()

    def read():
        list(media)
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    time.sleep(0.3)
    media.close()
    assert ended.wait(1)


def test_a_recording_behind_an_address_is_read_whole(camera):
    with open_media(f'{camera}/pan.avi') as media:
        assert (media.length, media.is_live) == (FRAMES, False)
        frames = []
        for frame in media:
            frames.append(shown(frame))
            time.sleep(0.01)
    assert frames == list(range(FRAMES))


def test_an_address_where_nothing_answers():
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        address = f'rtsp://user:secret@127.0.0.1:{unused.getsockname()[1]}/live'
        with within(5), pytest.raises(SourceError, match='nothing answers there') as caught:
            open_media(address)
    assert 'secret' not in str(caught.value)
    assert 'rtsp://user:***@127.0.0.1' in str(caught.value)


def test_an_address_that_accepts_and_says_nothing(monkeypatch):
    monkeypatch.setattr(video, 'OPEN_TIMEOUT_S', 1.0)
    with socket.socket() as silent:
        silent.bind(('127.0.0.1', 0))
        silent.listen()
        with within(4), pytest.raises(SourceError, match=r'nothing answers|does not answer'):
            open_media(f'http://127.0.0.1:{silent.getsockname()[1]}/live')


READ_UNTIL_INTERRUPTED = """
import sys
from vlm_ros.data.media import open_media
try:
    with open_media(sys.argv[1]) as media:
        for frame in media:
            print(frame.index, flush=True)
except KeyboardInterrupt:
    print('interrupted', flush=True)
"""


@pytest.mark.parametrize('path', ['10/50/silence', None])
def test_an_interrupt_ends_waiting_at_once(camera, path):
    with socket.socket() as silent:
        silent.bind(('127.0.0.1', 0))
        silent.listen()
        address = f'{camera}/{path}' if path else f'http://127.0.0.1:{silent.getsockname()[1]}/x'
        process = subprocess.Popen(
            [sys.executable, '-c', READ_UNTIL_INTERRUPTED, address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if path:
            assert process.stdout.readline()
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        with within(2):
            out, err = process.communicate(timeout=10)
    assert out.splitlines()[-1] == 'interrupted'
    assert (process.returncode, err) == (0, '')


def test_a_camera():
    devices = sorted(Path('/dev').glob('video*'))
    if not devices:
        pytest.skip('no camera on this machine')
    with open_media(str(devices[0])) as media:
        assert media.is_live and next(iter(media)).image.dtype == np.uint8
