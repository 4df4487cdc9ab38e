/* The picture with its boxes, what is known of it, and the images to choose from. */

function show(said = '') {
  say(said);
  stage();
  facts();
  overview();
  count();
  keepView();
}

let boxes = 0;
for (const frame of frames) boxes += frame.boxes.length;

function count() {
  let reviewed = 0;
  let wholes = 0;
  for (const line of held.values()) {
    if (line.verdict && line.box === undefined) wholes += 1;
    else if (line.verdict) reviewed += 1;
  }
  const images = wholes ? ` and ${many(wholes, 'image')}` : '';
  const waiting = data.served && mine.size ? `, ${mine.size} not saved` : '';
  $('progress').textContent = `${shown.length} of ${many(frames.length, 'image')}, ` +
    `${reviewed} of ${many(boxes, 'box').replace('boxs', 'boxes')}${images} reviewed${waiting}`;
}

const shapeOf = ([left, top, right, bottom]) => ({ x: left, y: top, width: right - left, height: bottom - top });

function outline(parent, points, known) {
  // Points are numbers of pixels, whose middles are half a pixel further.
  parent.append(drawing('polygon', { points: points.join(' '), transform: 'translate(0.5 0.5)', class: `mask ${known}` }));
}

function rectangle(parent, xyxy, name, scale, known, onclick) {
  const [left, top, , bottom] = xyxy;
  const shape = shapeOf(xyxy);
  parent.append(drawing('rect', { ...shape, class: 'under' }));
  const box = drawing('rect', { ...shape, class: `box ${known}` });
  if (onclick) box.addEventListener('click', onclick);
  parent.append(box);
  const size = 14 * scale;
  const { width, height } = parent.viewBox.baseVal;
  const over = top > 1.5 * size ? top - size / 3 : top + size;
  const under = bottom < height - 1.5 * size ? bottom + size : bottom - size / 3;
  // Two models often see a thing at one place, and both names have to be read.
  const y = known === 'is-missing' ? under : over;
  const text = drawing('text', { y, 'font-size': size, 'stroke-width': 3 * scale }, name);
  parent.append(text);
  const room = width - text.getComputedTextLength() - 4 * scale;
  text.setAttribute('x', Math.max(0, Math.min(left + 2 * scale, room)));
  return text;
}

function spread(texts, bottom) {
  // One model may call a thing by two names. The first keeps its place; others go below or above.
  const placed = [];
  for (const text of texts) {
    const { x, y, width, height: inner } = text.getBBox();
    const height = inner + 2 * text.getAttribute('stroke-width');
    const isFree = (top) => !placed.some((other) => x < other.x + other.width && other.x < x + width &&
      top < other.y + other.height && other.y < top + height);
    const steps = [0, ...texts.flatMap((_, index) => [index + 1, -index - 1])];
    const step = steps.find((lines) => {
      const top = y + lines * height;
      return isFree(top) && (!lines || (top >= 0 && top + height <= bottom));
    }) || 0;
    text.setAttribute('y', Number(text.getAttribute('y')) + step * height);
    placed.push({ x, y: y + step * height, width, height });
  }
}

const pictures = new Map();  // nodes that are shown again, so that nothing flickers

function reused(name, make) {
  const node = pictures.get(name) || make();
  pictures.delete(name);
  pictures.set(name, node);
  if (pictures.size > 4 * PAGE_SIZE) pictures.delete(pictures.keys().next().value);
  return node;
}

function pictureOf(frame) {
  const [width, height] = frame.size;
  return reused(`${frame.key} large`, () => drawing('image', { href: addressOf(frame), width, height }));
}

function stage() {
  const frame = frameAt();
  $('stage').replaceChildren();
  for (const button of $('actions').children) {
    const act = button.dataset.do;
    button.disabled = !frame && act !== 'save' && act !== 'undo';
    if (act === 'relabel') button.disabled = !frame || target === WHOLE;
  }
  if (!frame) {
    $('stage').append(element('p', frames.length ? 'No image passes the filters.' : 'The dataset has no images.'));
    return;
  }
  const [width, height] = frame.size;
  const picture = drawing('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': `${frame.key}, ${frame.boxes.length} boxes` });
  if (addressOf(frame)) picture.append(pictureOf(frame));
  $('stage').append(picture);
  // Text and lines keep their size on the screen, whatever the picture's.
  const box = picture.getBoundingClientRect();
  const scale = box.width ? Math.max(width / box.width, height / box.height) : 1;
  const others = new Set(shown[place].targets);
  const order = frame.boxes.map((_, index) => index).sort((a, b) => (a === target) - (b === target));
  const names = [];
  for (const [label, score, xyxy] of frame.missing || []) {
    names.push(rectangle(picture, xyxy, `other model: ${label} ${score.toFixed(2)}`, scale, 'is-missing'));
  }
  for (const index of order) {
    const [, score, xyxy, , outlines] = frame.boxes[index];
    const verdict = verdictOf(frame, index);
    const mark = { accepted: '✓ ', relabelled: '✓ ', rejected: '✗ ' }[verdict] || '';
    const known = [`is-${verdict}`, index === target ? 'is-current' : '', others.has(index) ? '' : 'is-other'];
    for (const points of outlines || []) outline(picture, points, known.join(' '));
    names.push(rectangle(picture, xyxy, `${mark}${labelOf(frame, index)} ${score.toFixed(2)}`, scale,
      known.join(' '), () => { target = index; show(); }));
  }
  spread(names.reverse(), height);  // that of the current box, the last, has its place
  if (!addressOf(frame)) {
    picture.append(drawing('text', { x: 12 * scale, y: height - 12 * scale, 'font-size': 14 * scale,
      'stroke-width': 3 * scale }, 'The picture was not kept.'));
  }
}

function fact(list, name, text, kind) {
  if (!text) return;
  list.append(element('dt', name), element('dd', text, kind ? { class: kind } : {}));
}

function facts() {
  const frame = frameAt();
  const focused = document.activeElement?.dataset?.target !== undefined;
  $('facts').replaceChildren();
  if (!frame) return;
  const failed = !LOOKED.includes(frame.status) && frame.status !== 'NOT ASKED';
  $('facts').append(element('h2', frame.key));
  const list = element('dl');
  fact(list, 'Status', frame.status + (frame.message ? `: ${frame.message}` : ''), failed ? 'bad' : '');
  fact(list, 'Camera', frame.camera + (frame.time === undefined ? '' : `, ${frame.time.toFixed(2)} s`));
  fact(list, 'Disagreement', frame.disagreement === undefined ? '' : `${Math.round(100 * frame.disagreement)} %`);
  fact(list, 'Other model', (frame.missing || []).map(([label, score]) => `${label}, ${score.toFixed(2)}`).join('; '));
  fact(list, 'Caption', frame.caption);
  for (const [question, answer] of frame.answers || []) fact(list, question, answer);
  for (const [group, label] of Object.entries(frame.tags || {})) fact(list, group, label);
  fact(list, 'Not looked for', (frame.unrecognized || []).join(', '));
  const boxes = element('ul', undefined, { 'aria-label': 'What can be reviewed' });
  const alone = new Set(frame.alone || []);
  const inFilter = new Set(shown[place].targets);
  const rows = frame.boxes.map((_, index) => index);
  rows.sort((a, b) => alone.has(b) - alone.has(a) || frame.boxes[a][1] - frame.boxes[b][1]);
  for (const index of [...rows, WHOLE]) {
    const verdict = verdictOf(frame, index);
    let text = 'The image as a whole';
    if (index !== WHOLE) {
      const [label, score, , track] = frame.boxes[index];
      const given = labelOf(frame, index);
      text = `${label}${given === label ? '' : ` → ${given}`}, ${score.toFixed(2)}` +
        `${track ? `, #${track}` : ''}${alone.has(index) ? ', one model only' : ''}`;
    }
    const button = element('button', text,
      { type: 'button', 'data-target': index, 'aria-current': String(index === target) });
    if (index !== WHOLE && !inFilter.has(index)) button.className = 'dim';
    if (verdict !== 'open') button.append(' ', element('strong', verdict, { class: verdict }));
    button.addEventListener('click', () => { target = index; show(); });
    const row = element('li');
    row.append(button);
    boxes.append(row);
  }
  $('facts').append(boxes, list);
  if (focused) boxes.querySelector('[aria-current=true]')?.focus();
}

function boxesOf(frame) {
  // Cut off as the picture under it is.
  const [width, height] = frame.size;
  const made = drawing('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'xMidYMid slice', 'aria-hidden': 'true' });
  frame.boxes.forEach(([, , xyxy], index) => made.append(
    drawing('rect', { ...shapeOf(xyxy), class: `box is-${verdictOf(frame, index)}` })));
  return made;
}

function overview() {
  const first = Math.floor(place / PAGE_SIZE) * PAGE_SIZE;
  const pages = Math.max(1, Math.ceil(shown.length / PAGE_SIZE));
  $('page').textContent = `Page ${first / PAGE_SIZE + 1} of ${pages}`;
  $('back').disabled = first === 0;
  $('on').disabled = first + PAGE_SIZE >= shown.length;
  const focused = document.activeElement?.dataset?.key;
  $('frames').replaceChildren(...shown.slice(first, first + PAGE_SIZE).map(({ frame }, offset) => {
    const row = element('li');
    const button = element('button', undefined, { type: 'button', 'data-key': frame.key,
      'aria-current': String(first + offset === place) });
    const thumbnail = element('span', undefined, { class: 'thumbnail' });
    if (addressOf(frame)) {
      thumbnail.append(reused(frame.key, () => element('img', undefined,
        { src: addressOf(frame), alt: '', loading: 'lazy', decoding: 'async' })));
    } else {
      thumbnail.append(element('span', 'no picture', { class: 'none' }));
    }
    thumbnail.append(boxesOf(frame));
    button.append(thumbnail);
    const done = frame.boxes.filter((_, index) => verdictOf(frame, index) !== 'open').length;
    const scores = frame.boxes.map((box) => box[1]);
    const looked = LOOKED.includes(frame.status);
    button.append(element('span', looked && scores.length
      ? `${done} of ${scores.length} reviewed, from ${Math.min(...scores).toFixed(2)}`
      : frame.status.replaceAll('_', ' ').toLowerCase(), looked ? {} : { class: 'bad' }));
    const whole = verdictOf(frame, WHOLE);
    if (whole !== 'open') button.append(element('strong', `image ${whole}`, { class: whole }));
    button.append(element('span', frame.key));
    button.addEventListener('click', () => go(first + offset));
    row.append(button);
    return row;
  }));
  if (focused) $('frames').querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}
