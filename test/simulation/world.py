"""A world of moving things under MuJoCo's physics, seen by a camera that knows the truth.

Toys of plain colours fall, roll and slide; boards with real photographs glide through the view,
so that a model which knows people, cats and cups has something to find. What is where comes from
the simulator's own segmentation. MuJoCo (https://mujoco.org, Apache-2.0) draws through EGL, in
software where there is no graphics card.
"""

from dataclasses import dataclass
from functools import cache
import json
import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import skimage.data

os.environ.setdefault('MUJOCO_GL', 'egl')
mujoco = pytest.importorskip('mujoco', reason='pip install mujoco')

from vlm_ros.annotation.entries import mask_record  # noqa: E402
from vlm_ros.data.formats import TruthBox  # noqa: E402
from vlm_ros.simulation.projection import Camera  # noqa: E402

SIZE_WH = (320, 240)
FOVY_DEG = 50.0
STEP_S = 0.1
"""Between two pictures."""
COLOURS = {
    'red': (0.8, 0.1, 0.1), 'green': (0.1, 0.6, 0.15), 'blue': (0.1, 0.2, 0.85),
    'yellow': (0.9, 0.8, 0.1),
}  # fmt: skip
TOYS = {
    'cube': 'type="box" size="0.22 0.22 0.22"',
    'ball': 'type="sphere" size="0.24"',
    'can': 'type="cylinder" size="0.16 0.26"',
}
PHOTOGRAPHS = {'cat': 'chelsea', 'person': 'astronaut', 'cup': 'coffee'}
LABELS = (*TOYS, *PHOTOGRAPHS)
GEOM = int(mujoco.mjtObj.mjOBJ_GEOM)  # to compare with MuJoCo's own takes seconds a picture
HIDDEN, SHOWN = 5, 0
"""Groups of MuJoCo's geometries; the camera does not draw the first."""
TINY_PX = 30
"""A thing of which fewer pixels show is there but counts neither way."""


@cache
def can_draw() -> bool:
    """Say whether there is an EGL that MuJoCo can draw with."""
    try:
        mujoco.GLContext(8, 8).free()
    except Exception:  # noqa: BLE001 - by what is missing, an ImportError up to one of EGL's own
        return False
    return True


needs_drawing = pytest.mark.skipif(
    not can_draw(), reason='no EGL: apt install libegl1 libegl-mesa0'
)


@dataclass(frozen=True)
class Seen:
    """One thing in one picture.

    Attributes:
        number: Of the thing, the same in all pictures, from 1.
        label: What it is.
        colour: A word; empty for photographs.
        xyxy: Around the pixels that show, right and bottom exclusive; None where none do.
        mask: `(H, W)` bool, the pixels that show.
        occlusion: What part of its outline inside the picture is behind something else.
        truncation: What part of its outline is outside the picture.
    """

    number: int
    label: str
    colour: str
    xyxy: tuple[float, float, float, float] | None
    mask: npt.NDArray[np.bool_]
    occlusion: float
    truncation: float

    def truth(self) -> TruthBox | None:
        """Return it as a labelled box; None where nothing of it shows."""
        if self.xyxy is None:
            return None
        is_tiny = int(self.mask.sum()) < TINY_PX
        return TruthBox(
            self.label,
            self.xyxy,
            difficult=is_tiny,
            track_id=self.number,
            mask=mask_record(self.mask),
        )


@dataclass(frozen=True)
class Shot:
    """A picture and the truth about it.

    Attributes:
        image: `(H, W, 3)` uint8 RGB.
        depth_m: `(H, W)` float32, along the camera's axis.
        things: All there are, in the picture or not.
        time_s: Since the beginning.
    """

    image: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float32]
    things: tuple[Seen, ...]
    time_s: float

    def boxes(self) -> tuple[TruthBox, ...]:
        """Return what shows, as labelled boxes."""
        return tuple(box for thing in self.things if (box := thing.truth()) is not None)


class World:
    """A floor, toys and boards, and a camera; the same seed gives the same.

    Args:
        seed: Of places, colours and speeds.
        toys: How many fall.
        boards: Names of photographs that glide by, of `PHOTOGRAPHS`.
    """

    def __init__(
        self, seed: int = 0, *, toys: int = 5, boards: tuple[str, ...] = ('cat', 'cup')
    ) -> None:
        self._random = np.random.default_rng(seed)
        self._rows: list[tuple[str, str]] = []
        bodies = [self._toy(number) for number in range(toys)]
        bodies += [self._board(name, row) for row, name in enumerate(boards)]
        assets = {f'{name}.png': _png(name) for name in boards}
        self.model = mujoco.MjModel.from_xml_string(_scene(bodies, boards), assets)
        self.data = mujoco.MjData(self.model)
        for joint in range(self.model.njnt):
            first = self.model.jnt_dofadr[joint]
            if self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
                self.data.qvel[first : first + 2] = self._random.uniform(-0.9, 0.9, 2)
                self.data.qvel[first + 3 : first + 6] = self._random.uniform(-2, 2, 3)
            else:
                self.data.qvel[first] = self._random.choice([-1, 1]) * self._random.uniform(
                    0.3, 0.6
                )
        mujoco.mj_forward(self.model, self.data)
        self._of_geom = {self.geom(number): number for number in range(1, len(self._rows) + 1)}
        self._near = mujoco.Renderer(self.model, SIZE_WH[1], SIZE_WH[0])
        self._wide = mujoco.Renderer(self.model, 2 * SIZE_WH[1], 2 * SIZE_WH[0])

    def _toy(self, number: int) -> str:
        shape = str(self._random.choice(list(TOYS)))
        colour = str(self._random.choice(list(COLOURS)))
        self._rows.append((shape, colour))
        x = -1.4 + 2.8 * (number % 4) / 3 + self._random.uniform(-0.2, 0.2)
        y = 0.2 + 0.9 * (number // 4) + self._random.uniform(-0.3, 0.3)
        rgb = ' '.join(f'{part:g}' for part in COLOURS[colour])
        return (
            f'<body name="thing{len(self._rows)}" pos="{x:.3f} {y:.3f} 0.5"><freejoint/>'
            f'<geom {TOYS[shape]} rgba="{rgb} 1" mass="1" condim="6" '
            'friction="0.4 0.01 0.01"/></body>'
        )

    def _board(self, name: str, row: int) -> str:
        self._rows.append((name, ''))
        height, width = _photograph(name).shape[:2]
        half = 0.55
        x, y = self._random.uniform(-1, 1), 1.6 + 0.5 * row
        return (
            f'<body name="thing{len(self._rows)}" pos="{x:.3f} {y:.3f} {half + 0.02}">'
            f'<joint type="slide" axis="1 0 0"/><geom type="box" material="{name}" mass="1" '
            f'size="{half * width / height:.3f} 0.02 {half}" contype="0" conaffinity="0"/></body>'
        )

    def geom(self, number: int) -> int:
        """Return MuJoCo's number of a thing's geometry."""
        body = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, f'thing{number}')
        return int(self.model.body_geomadr[body])

    @property
    def camera(self) -> Camera:
        """The camera, as the package describes one."""
        focal_px = SIZE_WH[1] / 2 / np.tan(np.radians(FOVY_DEG) / 2)
        # MuJoCo's cameras look along -z with y upwards.
        rotation = self.data.cam_xmat[0].reshape(3, 3) @ np.diag([1, -1, -1])
        return Camera.of(
            SIZE_WH, (focal_px, focal_px, SIZE_WH[0] / 2, SIZE_WH[1] / 2),
            rotation=rotation, position_m=self.data.cam_xpos[0],
        )  # fmt: skip

    def step(self, duration_s: float = STEP_S) -> None:
        """Let time pass."""
        for _ in range(round(duration_s / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)

    def shoot(self) -> Shot:
        """Take a picture."""
        self._near.update_scene(self.data, 0)
        image = self._near.render()
        self._near.enable_depth_rendering()
        depth_m = self._near.render()
        self._near.disable_depth_rendering()
        shown = self._segments(self._near)
        things = tuple(
            self._seen(number, label, colour, shown == number)
            for number, (label, colour) in enumerate(self._rows, start=1)
        )
        return Shot(image, depth_m, things, float(self.data.time))

    def _segments(self, renderer: 'mujoco.Renderer') -> npt.NDArray[np.int32]:
        """Return which thing each pixel shows; 0 for none."""
        is_wide = renderer is self._wide
        renderer.update_scene(self.data, int(is_wide))
        renderer.enable_segmentation_rendering()
        numbers, kinds = np.moveaxis(renderer.render(), -1, 0)
        renderer.disable_segmentation_rendering()
        found = np.zeros(numbers.shape, np.int32)
        for geom, number in self._of_geom.items():
            found[(numbers == geom) & (kinds == GEOM)] = number
        return found

    def _seen(self, number: int, label: str, colour: str, mask: npt.NDArray[np.bool_]) -> Seen:
        """Hold what shows of a thing against what would if it were alone, and beyond the edge."""
        groups = self.model.geom_group.copy()
        self.model.geom_group[:] = HIDDEN
        self.model.geom_group[self.geom(number)] = SHOWN
        alone = self._segments(self._wide) == number
        self.model.geom_group[:] = groups
        (width, height), whole = SIZE_WH, int(alone.sum())
        inside = int(
            alone[height // 2 : height // 2 + height, width // 2 : width // 2 + width].sum()
        )
        rows, columns = np.nonzero(mask)
        xyxy = None
        if len(rows):
            edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            xyxy = (float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3]))
        return Seen(
            number,
            label,
            colour,
            xyxy,
            mask,
            occlusion=1 - int(mask.sum()) / inside if inside else 0.0,
            truncation=1 - inside / whole if whole else 1.0,
        )

    def close(self) -> None:
        """Let go of the graphics."""
        self._near.close()
        self._wide.close()

    def __enter__(self) -> 'World':
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _scene(bodies: list[str], boards: tuple[str, ...]) -> str:
    # Twice the tangent, so that the middle of the wide picture is the near one, pixel for pixel.
    wide_deg = 2 * np.degrees(np.arctan(2 * np.tan(np.radians(FOVY_DEG) / 2)))
    pose = 'pos="0 -2.7 1.3" xyaxes="1 0 0 0 0.3 0.95"'
    textures = ''.join(
        f'<texture name="{name}" type="2d" file="{name}.png"/>'
        f'<material name="{name}" texture="{name}" reflectance="0" specular="0"/>'
        for name in boards
    )
    return f"""<mujoco>
      <visual>
        <global offwidth="{2 * SIZE_WH[0]}" offheight="{2 * SIZE_WH[1]}"/>
        <quality offsamples="0" shadowsize="1024"/>
        <map znear="0.01" zfar="20"/>
      </visual>
      <asset>
        {textures}
        <texture name="floor" type="2d" builtin="checker" rgb1="0.55 0.55 0.52"
          rgb2="0.45 0.45 0.42" width="64" height="64"/>
        <material name="floor" texture="floor" texrepeat="12 12"/>
        <texture type="skybox" builtin="gradient" rgb1="0.6 0.75 0.95" rgb2="0.9 0.95 1"
          width="16" height="96"/>
      </asset>
      <worldbody>
        <light pos="1 -2 4" dir="-0.2 0.5 -1" directional="true" diffuse="0.7 0.7 0.7"/>
        <geom type="plane" size="12 12 0.1" material="floor" friction="0.4 0.01 0.01"/>
        <camera name="near" {pose} fovy="{FOVY_DEG}"/>
        <camera name="wide" {pose} fovy="{wide_deg:.9f}"/>
        {''.join(bodies)}
      </worldbody>
    </mujoco>"""


@cache
def _photograph(name: str) -> npt.NDArray[np.uint8]:
    """Return what a photograph shows, so that the outline of a board is that of the thing."""
    rows = json.loads((Path(__file__).parents[1] / 'data' / 'photographs.json').read_bytes())
    stem = PHOTOGRAPHS[name]
    left, top, right, bottom = next(
        row['objects'][0]['xyxy'] for row in rows if row['photo'] == stem
    )
    image = np.asarray(getattr(skimage.data, stem)(), np.uint8)
    return np.ascontiguousarray(image[top:bottom, left:right])


def _png(name: str) -> bytes:
    done, content = cv2.imencode('.png', _photograph(name)[..., ::-1])
    assert done
    return bytes(content)
