/* Keys, buttons and fields; and the beginning. */

function relabel() {
  const frame = frameAt();
  if (!frame || target === WHOLE) { say('Choose a box to relabel.'); return; }
  $('relabel-title').textContent = `Relabel ${labelOf(frame, target)}`;
  $('label').value = '';
  $('label').placeholder = labelOf(frame, target);
  tellLabel();
  $('relabel').returnValue = '';
  $('relabel').showModal();
}

function labelGiven() {
  // As a vocabulary has names: printable, with single spaces; and as the list spells it.
  const given = $('label').value.replace(/[\p{C}\s]+/gu, ' ').trim();
  const known = [...labels].filter((name) => name.toLowerCase() === given.toLowerCase());
  return labels.has(given) ? given : known[0] ?? given;
}

function tellLabel() {
  const label = labelGiven();
  const news = !label || labels.has(label) ? 'A name of the list, or another.' : `“${label}” is a new name.`;
  $('label-news').textContent = news;
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
$('label').addEventListener('input', tellLabel);
$('relabel').addEventListener('close', () => {
  const label = labelGiven();
  if ($('relabel').returnValue !== 'save' || !label) return;
  labels.add(label);
  judge('accepted', label);
});
filters.addEventListener('input', () => filter(frameAt()?.key));
filters.addEventListener('submit', (event) => event.preventDefault());
filters.addEventListener('reset', () => setTimeout(() => filter(frameAt()?.key)));
$('keys').addEventListener('change', keepView);
$('back').addEventListener('click', () => go(Math.max(0, (Math.floor(place / PAGE_SIZE) - 1) * PAGE_SIZE)));
$('on').addEventListener('click', () => go((Math.floor(place / PAGE_SIZE) + 1) * PAGE_SIZE));
addEventListener('resize', stage);
addEventListener('online', send);
addEventListener('storage', (event) => {
  if (event.key !== store) return;
  takeIn();
  show($('said').textContent);
  send();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) catchUp(); });

function options(name, values) {
  for (const value of values) filters.elements[name].append(element('option', value, { value }));
}

for (const frame of frames) for (const box of frame.boxes) labels.add(box[0]);
for (const line of data.reviews) if (line.label) labels.add(line.label);
options('label', [...labels].sort());
options('camera', [...new Set(frames.map((frame) => frame.camera))].sort());
options('status', [...new Set(frames.map((frame) => frame.status))].sort());
for (const label of [...labels].sort()) $('labels').append(element('option', undefined, { value: label }));

const kept = restore();
$('panel').open = innerWidth > 900;
filter(kept.key, kept.target);
catchUp();
