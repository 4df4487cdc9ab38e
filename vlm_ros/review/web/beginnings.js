/* What the page holds, and how its parts are made. Text of a dataset is put into the page by
   textContent and attributes alone, never as HTML. */

const PAGE_SIZE = 24;
const HISTORY = 500;
const WHOLE = -1;
const LOOKED = ['OK', 'NOTHING_FOUND', 'UNSURE'];
const SVG = 'http://www.w3.org/2000/svg';
const $ = (id) => document.getElementById(id);
const data = JSON.parse($('data').textContent);
const frames = data.frames;
const labels = new Set(data.vocabulary);
const filters = $('filters');
const store = `vlm-ros-review:${data.id}`;

const held = new Map();    // what holds of each target
const mine = new Map();    // what was said in this browser; of a served page, what the server lacks
const troubles = new Map();
let history = [];          // of this window: targets, and what held before and after, for undo
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

const many = (number, name) => `${number} ${name}${number === 1 ? '' : 's'}`;
const say = (text) => { $('said').textContent = text; };

// What is wrong stays on the page until it is not, whatever is said in between.
function warn(about, text) {
  troubles.set(about, text);
  const said = [...new Set(troubles.values())].filter(Boolean).join(' ');
  if ($('trouble').textContent !== said) $('trouble').textContent = said;
}
