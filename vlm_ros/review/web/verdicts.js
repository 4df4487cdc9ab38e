/* What was said, how it is taken back, and where it is kept. */

function hold(line) {
  const before = held.get(idOf(line));
  if (!before || moment(line) >= moment(before)) held.set(idOf(line), line);
}

function recall(name, where = localStorage) {
  try { return JSON.parse(where.getItem(name)) || {}; } catch { return {}; }
}

function remember(name, state, where = localStorage) {
  try {
    where.setItem(name, JSON.stringify(state));
    warn(name, '');
  } catch {
    warn(name, 'This browser cannot keep your verdicts. Save them (s) before you close the page.');
  }
}

// What the windows of this browser said. Each takes in what the others did before it writes, so
// that none wipes out the verdicts of another.
function takeIn() {
  for (const line of recall(store).mine || []) {
    const known = mine.get(idOf(line));
    if (!known || moment(known) < moment(line)) mine.set(idOf(line), line);
    hold(line);
  }
}

function keep(line) {
  takeIn();
  mine.set(idOf(line), line);
  remember(store, { mine: [...mine.values()] });
}

function letGo(lines) {
  takeIn();
  for (const line of lines) {
    const known = mine.get(idOf(line));
    if (known && moment(known) <= moment(line)) mine.delete(idOf(line));
  }
  remember(store, { mine: [...mine.values()] });
}

function restore() {
  data.reviews.forEach(hold);
  takeIn();
  history = recall(`${store}:history`, sessionStorage).steps || [];
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
  keep(line);
  remember(`${store}:history`, { steps: history }, sessionStorage);
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
  history.push([frame.key, target, review(frame, target), line]);
  history = history.slice(-HISTORY);
  put(line);
  const name = target === WHOLE ? 'the image' : frame.boxes[target][0];
  const said = `${label ? `Relabelled ${name} as ${label}` : `${verdict === 'accepted' ? 'Accepted' : 'Rejected'} ${name}`}.`;
  move(1, said);
}

function undo() {
  const last = history.pop();
  if (!last) { say('There is nothing to undo.'); return; }
  const [key, index, before, after] = last;
  const frame = frames.find((row) => row.key === key);
  if (!frame) return;
  const now = review(frame, index);
  const stands = now?.verdict === after.verdict && now?.label === after.label;
  if (stands) put(lineFor(frame, index, before?.verdict, before?.label));
  let found = shown.findIndex((row) => row.frame === frame);
  if (found < 0) { shown.unshift({ frame, targets: targetsOf(frame, wishes()) }); found = 0; }
  place = found;
  target = index;
  const name = `${index === WHOLE ? 'the image' : frame.boxes[index][0]} of ${key}`;
  show(stands ? `Undone: ${name}.` : `Not undone: ${name} was judged anew in another window.`);
}

// What `fetch` raises says nothing that a person could do.
const reasonOf = (error) => (error instanceof TypeError
  ? `The server is gone. Run vlm-ros review DIR --serve --port ${location.port} and open the address that it prints.`
  : error.message);

async function send() {
  if (!data.served || sending || !mine.size) return;
  sending = true;
  const batch = [...mine.values()].slice(0, 500);
  try {
    const body = batch.map((line) => JSON.stringify(line)).join('\n') + '\n';
    const answer = await fetch('reviews', { method: 'POST', body,
      headers: { 'Content-Type': 'application/x-ndjson' } });
    if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
    sending = false;
    warn('server', '');
    letGo(batch);
    count();
    await send();
  } catch (error) {
    sending = false;
    warn('server', `Not saved to the dataset yet, but kept in this browser: ${reasonOf(error)}`);
    count();
  }
}

async function save() {
  if (data.served) {
    await send();
    if (mine.size) return;
    try {
      const answer = await fetch('apply', { method: 'POST' });
      if (!answer.ok) throw new Error((await answer.text()).trim());
      const result = await answer.json();
      warn('server', '');
      say(`Saved: ${many(result.reviewed, 'verdict')} in the dataset` +
        (result.unknown.length ? `, ${result.unknown.length} belong to none of its boxes.` : '.') +
        (result.new_labels.length ? ` New names: ${result.new_labels.join(', ')}.` : '') +
        (result.outdated.length ? ' Exports are older; write them anew: ' +
          `vlm-ros review DIR --apply --format ${result.outdated.join(',')}` : ''));
    } catch (error) {
      warn('server', `Not saved: ${reasonOf(error)}`);
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
    const theirs = (await answer.text()).split('\n').filter(Boolean).map((row) => JSON.parse(row));
    theirs.forEach(hold);
    warn('server', '');
    letGo(theirs);
    show($('said').textContent);
    await send();
  } catch (error) {
    warn('server', reasonOf(error));
  }
}
