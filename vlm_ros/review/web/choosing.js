/* Which images and boxes are gone through, and which one it is now. */

const wishes = () => Object.fromEntries(new FormData(filters));

// `#7` is the track of this number and not of 70.
const trackOf = (wanted) => /^\s*#(\d+)\s*$/.exec(wanted.text)?.[1];

function targetsOf(frame, wanted) {
  const low = wanted.low === '' ? 0 : Number(wanted.low);
  const high = wanted.high === '' ? 1 : Number(wanted.high);
  const track = trackOf(wanted);
  const about = wanted.label || track || wanted.low !== '' || wanted.high !== '';
  const found = frame.boxes.map((_, index) => index).filter((index) => {
    const score = frame.boxes[index][1];
    return score >= low && score <= high
      && (!track || String(frame.boxes[index][3]) === track)
      && (!wanted.label || labelOf(frame, index) === wanted.label)
      && (!wanted.verdict || verdictOf(frame, index) === wanted.verdict);
  });
  const alone = new Set(frame.alone || []);
  found.sort((a, b) => alone.has(b) - alone.has(a) || frame.boxes[a][1] - frame.boxes[b][1]);
  if (found.length) return found;
  if (about) return [];
  if (!wanted.verdict) return [WHOLE];
  const verdict = verdictOf(frame, WHOLE);
  // Of an image with boxes, only what was said of the image itself counts.
  return verdict === wanted.verdict && (verdict !== 'open' || !frame.boxes.length) ? [WHOLE] : [];
}

const texts = new Map();

function textOf(frame) {
  if (!texts.has(frame)) texts.set(frame, searched(frame));
  // Names that people give come and go.
  return [texts.get(frame), ...frame.boxes.map((_, index) => labelOf(frame, index))].join('\n').toLowerCase();
}

function searched(frame) {
  return [frame.key, frame.source, frame.camera, frame.message, frame.caption,
    ...frame.boxes.map((box) => box[0]),
    ...(frame.answers || []).flat(), ...Object.values(frame.tags || {})].join('\n').toLowerCase();
}

function filter(key, wantedTarget) {
  const wanted = wishes();
  const text = wanted.text.trim().toLowerCase();
  shown = [];
  for (const frame of frames) {
    if (wanted.camera && frame.camera !== wanted.camera) continue;
    if (wanted.status && frame.status !== wanted.status) continue;
    if (text && !trackOf(wanted) && !textOf(frame).includes(text)) continue;
    const targets = targetsOf(frame, wanted);
    if (targets.length) shown.push({ frame, targets });
  }
  const { order, ...narrowing } = wanted;
  const used = Object.values(narrowing).filter(Boolean).length;
  $('panel').querySelector('summary').textContent = used ? `Filters (${used})` : 'Filters';
  if (order === 'recorded') shown.sort((a, b) => a.frame.place - b.frame.place);
  place = Math.max(0, shown.findIndex((row) => row.frame.key === key));
  const targets = shown[place]?.targets || [WHOLE];
  const same = shown[place] && shown[place].frame.key === key;
  const valid = wantedTarget === WHOLE || wantedTarget < (frameAt()?.boxes.length || 0);
  target = same && wantedTarget !== undefined && valid ? wantedTarget : targets[0];
  show();
}

function move(step, said = '') {
  if (!shown.length) return;
  const { targets } = shown[place];
  const next = targets.indexOf(target) + step;
  if (targets.includes(target) && next >= 0 && next < targets.length) {
    target = targets[next];
  } else if (shown[place + step]) {
    place += step;
    target = shown[place].targets.at(step > 0 ? 0 : -1);
  } else {
    said = `${said} This is the ${step > 0 ? 'last' : 'first'} one.`.trim();
  }
  show(`${said} ${described()}`.trim());
  $('stage').scrollIntoView({ block: 'nearest' });
}

function go(index) {
  place = index;
  target = shown[place].targets[0];
  show(described());
  $('stage').scrollIntoView({ block: 'nearest' });
}

function described() {
  const frame = frameAt();
  if (!frame) return '';
  const what = target === WHOLE ? 'The image' : `${labelOf(frame, target)}, ${frame.boxes[target][1].toFixed(2)},`;
  return `${what} of ${frame.key}, ${place + 1} of ${shown.length}.`.replace('The image of', 'The image');
}
