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
