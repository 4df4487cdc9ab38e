'use strict';
/* Text of a dataset is put into the page by textContent and attributes only, never as HTML. */
(() => {
  const PAGE_SIZE = 24;
  const HISTORY = 500;
  const WHOLE = -1;
  const LOOKED = ['OK', 'NOTHING_FOUND', 'UNSURE'];
  const SVG = 'http://www.w3.org/2000/svg';
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($('data').textContent);
  const frames = data.frames;
  const filters = $('filters');
  const store = `vlm-ros-review:${data.id}`;

  const held = new Map();    // what holds of each target
  const mine = new Map();    // what was said here
  const unsent = new Map();  // what no server has taken yet
  let history = [];          // targets and what held before, for undo
  let shown = [];            // the images that pass the filters, and which boxes of them
  let place = 0;             // among them
  let target = WHOLE;        // a box of it
  let sending = false;

  const idOf = (line) => `${line.key}\n${line.box ?? ''}`;
  const moment = (line) => Date.parse(line.at || '') || 0;
  const addressOf = (frame) => data.pictures[frame.picture];
  const frameAt = () => shown[place]?.frame;

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  function drawing(tag, attributes, text) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function say(text, bad = false) {
    $('said').textContent = text;
    $('said').classList.toggle('bad', bad);
  }

  /* ---- what was said, and keeping it ---- */

  function hold(line) {
    const before = held.get(idOf(line));
    if (!before || moment(line) >= moment(before)) held.set(idOf(line), line);
  }

  function recall(name) {
    try { return JSON.parse(localStorage.getItem(name)) || {}; } catch { return {}; }
  }

  function remember(name, state) {
    try {
      localStorage.setItem(name, JSON.stringify(state));
    } catch {
      say('This browser cannot keep your verdicts. Save them (s) before you close the page.', true);
    }
  }

  function restore() {
    data.reviews.forEach(hold);
    const said = recall(store);
    for (const line of said.mine || []) { mine.set(idOf(line), line); hold(line); }
    history = said.history || [];
    const view = recall(`${store}:view`);
    for (const [name, value] of Object.entries(view.filters || {})) {
      if (filters.elements[name]) filters.elements[name].value = value;
    }
    $('keys').checked = view.keys !== false;
    return view;
  }

  // Apart from the verdicts, which are many by and by, and do not change with every step.
  const keepView = () => remember(`${store}:view`,
    { filters: wishes(), keys: $('keys').checked, key: frameAt()?.key, target });

  function lineFor(frame, index, verdict, label) {
    const before = held.get(idOf({ key: frame.key, box: index === WHOLE ? null : index }));
    // Later than what it replaces, even if that clock was ahead of this one.
    const now = Math.max(Date.now(), before ? moment(before) + 1 : 0);
    const line = { key: frame.key, at: new Date(now).toISOString() };
    if (data.by) line.by = data.by;
    if (index !== WHOLE) {
      line.box = index;
      [line.found, , line.xyxy] = frame.boxes[index];
    }
    if (verdict) line.verdict = verdict;
    if (label) line.label = label;
    return line;
  }

  function put(line) {
    held.set(idOf(line), line);
    mine.set(idOf(line), line);
    if (data.served) unsent.set(idOf(line), line);
    remember(store, { mine: [...mine.values()], history });
    send();
  }

  function review(frame, index) {
    const line = held.get(idOf({ key: frame.key, box: index === WHOLE ? null : index }));
    if (!line || !line.verdict) return null;
    // What was said of another box is not said of this one.
    if (index !== WHOLE && line.found && line.found !== frame.boxes[index][0]) return null;
    if (index !== WHOLE && line.xyxy && String(line.xyxy) !== String(frame.boxes[index][2])) return null;
    return line;
  }

  function verdictOf(frame, index) {
    const line = review(frame, index);
    if (!line) return 'open';
    return line.verdict === 'accepted' && line.label ? 'relabelled' : line.verdict;
  }

  const labelOf = (frame, index) => review(frame, index)?.label || frame.boxes[index][0];

  function judge(verdict, label) {
    const frame = frameAt();
    if (!frame) return;
    if (label && target === WHOLE) return;
    const line = lineFor(frame, target, verdict, label);
    history.push([frame.key, target, held.get(idOf(line)) || null]);
    history = history.slice(-HISTORY);
    put(line);
    const name = target === WHOLE ? 'the image' : frame.boxes[target][0];
    const said = `${label ? `Relabelled ${name} as ${label}` : `${verdict === 'accepted' ? 'Accepted' : 'Rejected'} ${name}`}.`;
    move(1, said);
  }

  function undo() {
    const last = history.pop();
    if (!last) { say('There is nothing to undo.'); return; }
    const [key, index, before] = last;
    const frame = frames.find((row) => row.key === key);
    if (!frame) return;
    put(lineFor(frame, index, before?.verdict, before?.label));
    let found = shown.findIndex((row) => row.frame === frame);
    if (found < 0) { shown.unshift({ frame, targets: targetsOf(frame, wishes()) }); found = 0; }
    place = found;
    target = index;
    show(`Undone: ${index === WHOLE ? 'the image' : frame.boxes[index][0]} of ${key}.`);
  }

  /* ---- saving ---- */

  async function send() {
    if (!data.served || sending || !unsent.size) return;
    sending = true;
    const batch = [...unsent.entries()].slice(0, 500);
    try {
      const body = batch.map(([, line]) => JSON.stringify(line)).join('\n') + '\n';
      const answer = await fetch('reviews', { method: 'POST', body,
        headers: { 'Content-Type': 'application/x-ndjson' } });
      if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
      for (const [id, line] of batch) if (unsent.get(id) === line) unsent.delete(id);
      sending = false;
      count();
      await send();
    } catch (error) {
      sending = false;
      say(`Not saved to the dataset yet, but kept in this browser: ${error.message}`, true);
      count();
    }
  }

  async function save() {
    if (data.served) {
      await send();
      if (unsent.size) return;
      try {
        const answer = await fetch('apply', { method: 'POST' });
        if (!answer.ok) throw new Error((await answer.text()).trim());
        const result = await answer.json();
        say(`Saved: ${result.reviewed} verdicts are in the dataset` +
          (result.unknown.length ? `, ${result.unknown.length} belong to none of its boxes.` : '.') +
          (result.new_labels.length ? ` New names: ${result.new_labels.join(', ')}.` : ''));
      } catch (error) {
        say(`Not saved: ${error.message}`, true);
      }
      return;
    }
    const lines = [...held.values()].map((line) => JSON.stringify(line) + '\n');
    const address = URL.createObjectURL(new Blob(lines, { type: 'application/x-ndjson' }));
    const link = element('a', undefined, { href: address, download: 'reviews.jsonl' });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    say('Downloaded reviews.jsonl. Merge it: vlm-ros review DIR --apply reviews.jsonl');
  }

  async function catchUp() {
    if (!data.served) return;
    try {
      const answer = await fetch('reviews');
      if (!answer.ok) throw new Error(answer.statusText);
      const theirs = new Map();
      for (const row of (await answer.text()).split('\n')) {
        if (!row) continue;
        const line = JSON.parse(row);
        theirs.set(idOf(line), line);
        hold(line);
      }
      for (const [id, line] of mine) {
        const known = theirs.get(id);
        if (!known || moment(known) < moment(line)) unsent.set(id, line);
      }
      show();
      await send();
    } catch (error) {
      say(`The server cannot be reached: ${error.message}`, true);
    }
  }

  /* ---- choosing ---- */

  const wishes = () => Object.fromEntries(new FormData(filters));

  function targetsOf(frame, wanted) {
    const low = wanted.low === '' ? 0 : Number(wanted.low);
    const high = wanted.high === '' ? 1 : Number(wanted.high);
    const about = wanted.label || wanted.low !== '' || wanted.high !== '';
    const found = frame.boxes.map((_, index) => index).filter((index) => {
      const score = frame.boxes[index][1];
      return score >= low && score <= high
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
    return texts.get(frame);
  }

  function searched(frame) {
    return [frame.key, frame.source, frame.camera, frame.message, frame.caption,
      ...frame.boxes.map((box) => box[0]), ...(frame.answers || []).flat(),
      ...Object.values(frame.tags || {})].join('\n').toLowerCase();
  }

  function filter(key, wantedTarget) {
    const wanted = wishes();
    const text = wanted.text.trim().toLowerCase();
    shown = [];
    for (const frame of frames) {
      if (wanted.camera && frame.camera !== wanted.camera) continue;
      if (wanted.status && frame.status !== wanted.status) continue;
      if (text && !textOf(frame).includes(text)) continue;
      const targets = targetsOf(frame, wanted);
      if (targets.length) shown.push({ frame, targets });
    }
    if (wanted.order === 'recorded') shown.sort((a, b) => a.frame.place - b.frame.place);
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

  /* ---- showing ---- */

  function show(said = '') {
    say(said);
    stage();
    facts();
    overview();
    count();
    keepView();
  }

  function count() {
    let reviewed = 0;
    for (const line of held.values()) reviewed += Boolean(line.verdict);
    const waiting = unsent.size ? `, ${unsent.size} not saved` : '';
    $('progress').textContent =
      `${shown.length} of ${frames.length} images, ${reviewed} verdicts${waiting}`;
  }

  function rectangle(parent, xyxy, name, scale, known, onclick) {
    const [left, top, right, bottom] = xyxy;
    const shape = { x: left, y: top, width: right - left, height: bottom - top };
    parent.append(drawing('rect', { ...shape, class: 'under' }));
    const box = drawing('rect', { ...shape, class: `box ${known}` });
    if (onclick) box.addEventListener('click', onclick);
    parent.append(box);
    const size = 14 * scale;
    const y = top > 1.5 * size ? top - size / 3 : top + size;
    const text = drawing('text', { y, 'font-size': size, 'stroke-width': 3 * scale }, name);
    parent.append(text);
    const room = parent.viewBox.baseVal.width - text.getComputedTextLength() - 4 * scale;
    text.setAttribute('x', Math.max(0, Math.min(left + 2 * scale, room)));
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
    for (const [label, score, xyxy] of frame.missing || []) {
      rectangle(picture, xyxy, `other model: ${label} ${score.toFixed(2)}`, scale, 'is-missing');
    }
    for (const index of order) {
      const [, score, xyxy] = frame.boxes[index];
      const verdict = verdictOf(frame, index);
      const mark = { accepted: '✓ ', relabelled: '✓ ', rejected: '✗ ' }[verdict] || '';
      const known = [`is-${verdict}`, index === target ? 'is-current' : '', others.has(index) ? '' : 'is-other'];
      rectangle(picture, xyxy, `${mark}${labelOf(frame, index)} ${score.toFixed(2)}`, scale, known.join(' '),
        () => { target = index; show(); });
    }
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
    fact(list, 'Caption', frame.caption);
    for (const [question, answer] of frame.answers || []) fact(list, question, answer);
    for (const [group, label] of Object.entries(frame.tags || {})) fact(list, group, label);
    fact(list, 'Not looked for', (frame.unrecognized || []).join(', '));
    $('facts').append(list);
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
    $('facts').append(boxes);
    if (focused) boxes.querySelector('[aria-current=true]')?.focus();
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
      if (addressOf(frame)) {
        button.append(reused(frame.key, () => element('img', undefined,
          { src: addressOf(frame), alt: '', loading: 'lazy', decoding: 'async' })));
      } else {
        button.append(element('span', 'no picture', { class: 'none' }));
      }
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

  /* ---- hands ---- */

  function relabel() {
    const frame = frameAt();
    if (!frame || target === WHOLE) { say('Choose a box to relabel.'); return; }
    $('relabel-title').textContent = `Relabel ${labelOf(frame, target)}`;
    $('label').value = '';
    $('label').placeholder = labelOf(frame, target);
    $('relabel').returnValue = '';
    $('relabel').showModal();
  }

  const acts = {
    accept: () => judge('accepted'),
    reject: () => judge('rejected'),
    relabel,
    undo,
    save,
    next: () => move(1),
    previous: () => move(-1),
    whole: () => { target = WHOLE; show(); },
  };
  const keys = { a: 'accept', r: 'reject', l: 'relabel', u: 'undo', s: 'save', j: 'next', k: 'previous', i: 'whole' };

  document.addEventListener('keydown', (event) => {
    if (!$('keys').checked || event.ctrlKey || event.metaKey || event.altKey || $('relabel').open) return;
    if (event.target.closest('input:not([type=checkbox]), select, textarea')) return;
    const act = keys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    // A key that is held down goes through the boxes, but judges only one.
    if (!event.repeat || act === 'next' || act === 'previous') acts[act]();
  });
  $('actions').addEventListener('click', (event) => {
    const act = event.target.closest('button')?.dataset.do;
    if (act) acts[act]();
  });
  $('relabel').addEventListener('close', () => {
    // As a vocabulary has names: printable, with single spaces.
    const label = $('label').value.replace(/[\p{C}\s]+/gu, ' ').trim();
    if ($('relabel').returnValue === 'save' && label) judge('accepted', label);
  });
  filters.addEventListener('input', () => filter(frameAt()?.key));
  filters.addEventListener('submit', (event) => event.preventDefault());
  filters.addEventListener('reset', () => setTimeout(() => filter(frameAt()?.key)));
  $('keys').addEventListener('change', keepView);
  $('back').addEventListener('click', () => go(Math.max(0, (Math.floor(place / PAGE_SIZE) - 1) * PAGE_SIZE)));
  $('on').addEventListener('click', () => go((Math.floor(place / PAGE_SIZE) + 1) * PAGE_SIZE));
  addEventListener('resize', stage);
  addEventListener('online', send);

  function options(name, values) {
    for (const value of values) filters.elements[name].append(element('option', value, { value }));
  }

  const labels = new Set(data.vocabulary);
  for (const frame of frames) for (const box of frame.boxes) labels.add(box[0]);
  for (const line of data.reviews) if (line.label) labels.add(line.label);
  options('label', [...labels].sort());
  options('camera', [...new Set(frames.map((frame) => frame.camera))].sort());
  options('status', [...new Set(frames.map((frame) => frame.status))].sort());
  for (const label of [...labels].sort()) $('labels').append(element('option', undefined, { value: label }));

  const kept = restore();
  filter(kept.key, kept.target);
  catchUp();
})();
