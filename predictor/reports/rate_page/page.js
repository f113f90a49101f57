// The page: ratings stay in the form, the estimate is computed again from them, and only the saved file counts: drafts may be lost.
const { model, words, page } = JSON.parse(document.getElementById("data").textContent);
const answerTo = evaluator(model), form = document.getElementById("rate"), byId = (id) => document.getElementById(id);
const NOT_APPLICABLE = "not applicable", NOT_COME_UP = page.not_come_up, DRAFT = `predictor-rate-${page.fingerprint}`;

// -- words: as predictor/model/wording.py and points.py have them ---------------------------------------------------
const say = (name, fields = {}) => words[name].replace(/\{(\w+)\}/g, (_, key) => fields[key]);
const countedOf = (rated, notComeUp) => say(notComeUp ? "counted_not_come_up" : "counted", { rated, total: model.p, not_come_up: notComeUp });
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
function roundHalfEven(x) { // halves to the even number, as Python rounds
  const floor = Math.floor(x), rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2) ? floor + 1 : floor;
}
const of100 = (share) => (roundHalfEven(100 * share) < 1 ? "fewer than 1" : roundHalfEven(100 * share) > 99 ? "more than 99" : String(roundHalfEven(100 * share)));
const signed = (count) => (count > 0 ? `+${count}` : count < 0 ? `\u2212${-count}` : "0");

function meanSlope(start, end) {
  const half = (end - start) / 2;
  return (half ? Math.sinh(half) / half : 1) / Math.cosh(start / 2) / Math.cosh(end / 2) / 4;
}

function wholePoints(points, total) {
  const floors = points.map(Math.floor), order = points.map((_, i) => i);
  order.sort((a, b) => Number(points[a] === 0) - Number(points[b] === 0) || floors[a] - points[a] - (floors[b] - points[b]));
  for (const i of order.slice(0, Math.max(0, total - sum(floors)))) floors[i] += 1;
  return floors;
}

function pointsOf(answer) {
  const base = logit(answer.baseRate), slope = 100 * meanSlope(base, answer.logOdds);
  const shown = roundHalfEven(100 * answer.probability), from = roundHalfEven(100 * answer.baseRate);
  const [start, ...parts] = wholePoints([answer.baseline - base, ...answer.added].map((x) => slope * x), shown - from);
  return { base: from, answer: shown, start, parts };
}

// The usual words are in the form, those for a candidate who rates in the data.
const asked = page.terms.slice(0, model.p).map((term) => {
  const fieldset = form.querySelector(`[data-signal="${CSS.escape(term.name)}"]`);
  term.anchors = Object.fromEntries([...fieldset.querySelectorAll("dd")].map((anchor) => [anchor.dataset.rating, anchor.textContent]));
  term.question = fieldset.querySelector("legend").textContent;
  return fieldset;
});

// -- what is rated ---------------------------------------------------------------------------------------------------
const field = (name) => form.elements[name]?.value ?? "";
const role = () => (page.role === null ? "" : field(`input.${page.terms[page.role].name}`));
const wordingOf = (term) => (role() === page.candidate && term.own) || term;
const NAMES = ["title", "who", "round", "held_on", "due_on", "note"];
const newSession = () => ({ id: newId(), day: "", seen: false, guess: "", confirmedText: "", offeredText: "", file: "" });
let session = newSession(); // of one interview; the texts are the JSON that the browser was asked to save, and that the user has confirmed

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function rated() {
  const values = [], ratings = {}, notComeUp = [];
  page.terms.forEach((term, t) => {
    const word = field(t < model.p ? `rating.${term.name}` : `input.${term.name}`);
    if (t >= model.p) return values.push(word ? term.levels.indexOf(word) : null);
    if (word === NOT_COME_UP) notComeUp.push(term.name);
    else if (word) ratings[term.name] = word === NOT_APPLICABLE ? word : Number(word);
    return values.push(!word || word === NOT_COME_UP ? null : word === NOT_APPLICABLE ? model.terms[t].low - model.terms[t].step : Number(word));
  });
  return { values, ratings, notComeUp };
}

function baseRate() {
  const typed = Number(field("base_rate"));
  return typed > 0 && typed < 100 ? typed / 100 : model.base_rate;
}

const today = () => { const now = new Date(); return `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, "0")}-${String(now.getDate()).padStart(2, "0")}`; };

// What is saved; the same content gives the same text, so that a change since the last file is noticed.
function content() {
  const { values, ratings, notComeUp } = rated();
  return {
    id: session.id,
    rated_on: session.day || today(),
    ...Object.fromEntries(NAMES.map((name) => [name, field(name).trim() || (name.endsWith("_on") ? null : "")])),
    rater_role: role(),
    ratings,
    not_come_up: notComeUp,
    guess: session.seen ? (session.guess === "" ? null : Number(session.guess)) : null,
    answer: session.seen ? storedAnswer(values, ratings) : null,
  };
}

function storedAnswer(values, ratings) {
  const answer = answerTo(values, baseRate());
  return {
    probability: answer.probability, low: answer.low, high: answer.high, base_rate: answer.baseRate, own_base_rate: answer.baseRate !== model.base_rate,
    log_odds: answer.logOdds, baseline: answer.baseline,
    parts: page.terms.map((term, t) => [term.name, ratingOf(t, ratings) ?? null, answer.added[t], answer.implied[t]]),
    remaining: answer.left && { low: answer.left.low, high: answer.left.high, signals: narrowing(answer).map((j) => page.terms[j].name) },
    quality: answer.rated ? qualityOf(values) : [],
    notes: [...page.notes, ...unusual(values)],
  };
}

const isEmpty = ({ ratings, note, title, who }) => !Object.keys(ratings).length && !note && !title && !who;

// -- the estimate ----------------------------------------------------------------------------------------------------
function make(name, text = "", className = "") {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function drawing(name, values, svg = document.createElementNS("http://www.w3.org/2000/svg", name)) {
  for (const [key, value] of Object.entries(values)) svg.setAttribute(key, value);
  return svg;
}

// A hundred dots: how many of them are offers, at the base rate and with these ratings; where it is wide, by the interval.
function dots(answer, wide) {
  const [p, low, high, base] = [answer.probability, answer.low, answer.high, answer.baseRate].map((share) => roundHalfEven(100 * share));
  const fields = { base: of100(answer.baseRate) }, many = (count, kind) => Array(Math.max(0, count)).fill(kind);
  let kinds, key, alt;
  if (wide) {
    kinds = [...many(low, "both"), ...many(high - low, "maybe"), ...many(100 - high, "none")];
    key = [["both", `low end, ${of100(answer.low)}`], ["maybe", `up to the high end, ${of100(answer.high)}`]];
    if (base) {
      kinds[base - 1] += " base";
      key.push(["base", `base rate, ${fields.base}`]);
    }
    alt = `A hundred dots: ${of100(answer.low)} are filled, up to ${of100(answer.high)} half filled; the base rate is ${fields.base}.`;
  } else {
    const both = Math.min(p, base), apart = Math.abs(p - base), beyond = p > base ? "more" : "fewer";
    const text = say(`dots_${apart ? beyond : "same"}`, { count: apart, ...fields });
    kinds = [...many(both, "both"), ...many(apart, beyond), ...many(100 - both - apart, "none")];
    key = [["both", say("dots_both", { count: both })], [apart ? beyond : "none", text]];
    alt = `A hundred dots: ${of100(answer.probability)} are offers, ${text}.`;
  }
  const svg = drawing("svg", { viewBox: "0 0 206 50", class: "dots", role: "img", "aria-label": alt });
  const dot = (kind, cx, cy) => drawing("circle", { class: kind, cx, cy, r: kind.includes("base") ? 3 : 3.6 });
  kinds.forEach((kind, i) => svg.append(dot(kind, 5 + 10 * (i % 20) + (i % 20 >= 10 ? 6 : 0), 5 + 10 * Math.floor(i / 20))));
  const list = make("ul", "", "key");
  for (const [kind, text] of key) {
    const swatch = drawing("svg", { viewBox: "0 0 10 10", class: "dots", "aria-hidden": "true" });
    swatch.append(dot(kind, 5, 5));
    list.appendChild(make("li")).append(swatch, text);
  }
  return [svg, list];
}

function sameRatings(ratings) {
  const numbers = Object.values(ratings).filter((rating) => rating !== NOT_APPLICABLE), counts = {};
  for (const rating of numbers) counts[rating] = (counts[rating] ?? 0) + 1;
  const [rating, count] = Object.entries(counts).sort((a, b) => b[1] - a[1])[0] ?? ["", 0];
  return numbers.length >= page.same && count >= numbers.length - 1 ? say("same", { count, total: numbers.length, rating }) : "";
}

const ratingOf = (t, ratings) => (t < model.p ? ratings[page.terms[t].name] : field(`input.${page.terms[t].name}`) || undefined);

// Reasons in points, the strongest first, and those that are smaller or round to nothing.
function reasonsOf(answer, ratings, points) {
  const rows = page.terms.map((term, t) => ({ label: wordingOf(term).label, detail: ratingOf(t, ratings), count: points.parts[t], size: Math.abs(answer.added[t]) }));
  const all = rows.filter(({ detail }) => detail !== undefined), unrated = sum(rows.filter(({ detail }) => detail === undefined).map(({ count }) => count));
  if (unrated) all.push({ label: `${model.p - answer.rated} signals left unrated`, count: unrated, size: 0 });
  all.sort((a, b) => Math.abs(b.count) - Math.abs(a.count) || b.size - a.size);
  const shown = [{ label: words.start, count: points.start }, ...all.slice(0, page.shown)].filter(({ count }) => count), smaller = all.filter((row) => !shown.includes(row));
  const longest = Math.max(1, ...all.map(({ count }) => Math.abs(count)), Math.abs(points.start));
  const list = (entries) => {
    const element = make("ul", "", "reasons");
    for (const { label, detail, count } of entries) {
      const item = element.appendChild(make("li")), what = item.appendChild(make("span", label)), width = 50 * Math.abs(count) / longest;
      if (detail !== undefined) what.append(" ", make("span", `\u00b7 ${detail}`, "detail"));
      const bar = item.appendChild(drawing("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }));
      if (width) bar.append(drawing("rect", { class: count > 0 ? "up" : "down", x: count > 0 ? 50 : 50 - width, y: 1, width, height: 8 }));
      bar.append(drawing("line", { x1: 50, x2: 50, y1: 0, y2: 10 }));
      item.append(make("span", signed(count), "number"));
    }
    return element;
  };
  if (!smaller.length) return [list(shown)];
  const details = make("details", "", "smaller");
  details.append(make("summary", plural(smaller.length, "smaller reason")), list(smaller));
  return [list(shown), details];
}

function statistics(answer, ratings) {
  const details = make("details", "", "statistics"), list = make("ul");
  details.append(make("summary", "For statisticians"), list);
  const number = (x, digits = 3) => x.toFixed(digits).replace("-", "\u2212");
  list.append(make("li", `Likelihood ${number(answer.probability, 4)}, 90 % interval ${number(answer.low, 4)} to ${number(answer.high, 4)}; base rate ${number(answer.baseRate, 4)}.`));
  list.append(make("li", `Log-odds ${number(answer.logOdds)} = baseline ${number(answer.baseline)} and what follows. ${words.implied}`));
  page.terms.forEach((term, t) => {
    const rating = ratingOf(t, ratings);
    if (rating || answer.added[t]) list.append(make("li", `${term.label} \u00b7 ${rating || "not rated"}: ${number(answer.added[t])}${Math.abs(answer.implied[t]) >= 0.0005 ? `, ${number(answer.implied[t])} of it implied` : ""}`));
  });
  list.append(make("li", words.points));
  return details;
}

function qualityOf(values) { // `sentences_for` in quality.py: of the part of the signals most like what was rated, and of who rated
  const places = values.slice(0, model.p).flatMap((value, j) => (value === null ? [] : [j])), { parts, by_count, by_role, mostly, all, unknown } = page.quality;
  const part = parts.find(({ signals, least }) => places.length >= least && places.every((j) => signals.includes(j)));
  const nearest = places.length >= mostly ? all : part ? part.sentence : by_count[places.length - 1] || all;
  return [nearest || unknown, by_role[role()]].filter(Boolean);
}

function unusual(values) { // as predictor/model/notes.py finds it
  const shares = model.terms.slice(0, model.p).flatMap(({ low }, j) => (values[j] === null || values[j] < low ? [] : [(values[j] - low) / (page.highs[j] - low)]));
  if (shares.length < Math.max(2, model.p / 2)) return [];
  const mean = sum(shares) / shares.length, spread = Math.sqrt(sum(shares.map((share) => (share - mean) ** 2)) / shares.length);
  return [["mean rating", mean, page.typical.mean], ["spread of ratings", spread, page.typical.spread]].flatMap(([what, value, [low, high]]) =>
    value >= low && value <= high ? [] : [`Unusual pattern: the ${what} is ${value < low ? "lower" : "higher"} than in 99 % of the interviews ${page.those}.`]);
}

function show() {
  const parts = byId("answer-parts"), { values, ratings, notComeUp } = rated(), answer = answerTo(values, baseRate());
  const open = [...parts.querySelectorAll("details[open]")].map(({ className }) => className), wide = roundHalfEven(100 * (answer.high - answer.low)) >= roundHalfEven(100 * page.wide);
  const fields = { count: of100(answer.probability), low: of100(answer.low), high: of100(answer.high), base: of100(answer.baseRate), kind: page.kind };
  const headline = say(!answer.rated ? "headline_nothing" : wide ? "headline_wide" : "headline", fields);
  const base = answer.rated ? say(answer.baseRate === model.base_rate ? "base" : "own_base", fields) : "";
  parts.replaceChildren(make("p", headline[0].toUpperCase() + headline.slice(1), `plain ${wide ? "big quiet" : "big"}`), ...dots(answer, wide));
  parts.append(make("p", `${say(wide ? "interval_wide" : "interval", fields)} ${base}`.trim(), "plain"));
  const guess = parts.appendChild(make("p", session.guess === "" ? words.no_guess : say("guess", { guess: session.guess }), "plain"));
  guess.append(" ", make("span", `${countedOf(answer.rated, notComeUp.length)}.`, "note"));
  for (const note of [sameRatings(ratings), ...unusual(values)]) if (note) parts.append(make("p", note, "note"));
  if (answer.rated) {
    const points = pointsOf(answer);
    parts.append(make("h3", "What drove the estimate"), make("p", `In points of 100, from the base rate, ${points.base}, to ${points.answer}. They add up to the difference.`, "note"), ...reasonsOf(answer, ratings, points));
    if (answer.left) {
      const sentence = say("remaining", { total: model.p, low: of100(answer.left.low), high: of100(answer.left.high) }), list = make("ul");
      for (const j of narrowing(answer)) list.append(make("li", wordingOf(page.terms[j]).label));
      parts.append(make("h3", "What the rest could change"), make("p", sentence), list);
    }
    parts.append(make("h3", "How accurate is this estimate?"), ...qualityOf(values).map((sentence) => make("p", sentence)));
  }
  parts.append(statistics(answer, ratings));
  for (const details of parts.querySelectorAll("details")) details.open = open.includes(details.className);
}

const narrowing = (answer) => answer.left.explained.slice(0, page.narrowing).map(([j]) => j);

// -- draft, file and mark --------------------------------------------------------------------------------------------
let alone = true; // whether this tab is the only one that writes the draft

function keepDraft() {
  if (!alone) return;
  try {
    if (isEmpty(content())) localStorage.removeItem(DRAFT);
    else localStorage.setItem(DRAFT, JSON.stringify({ session, fields: [...new FormData(form)] }));
  } catch { /* no storage for files in this browser: only the saved file counts anyway */ }
}

function restoreDraft() {
  try {
    const draft = JSON.parse(localStorage.getItem(DRAFT));
    if (!draft) return;
    for (const [name, value] of draft.fields.filter(([name]) => form.elements[name])) {
      const element = form.elements[name];
      if (element instanceof RadioNodeList || element?.type === "radio") {
        for (const radio of element.length ? element : [element]) radio.checked = radio.value === value;
      } else if (element) element.value = value;
    }
    session = { ...session, ...draft.session };
    byId("restored").textContent = `A draft of ${session.day}, from this browser, is filled in below. "Start a new interview", at the end, clears it.`;
    byId("restored").hidden = false;
  } catch { /* as above */ }
}

function aboutOf(entry) {
  return [
    `Interview: ${entry.title || "without title"}${entry.round ? `, round ${entry.round}` : ""}`,
    entry.who && `Who: ${entry.who}`,
    entry.held_on && `Held on ${entry.held_on}`,
    entry.due_on && `Reply expected on ${entry.due_on}`,
    `Rated on ${entry.rated_on}${entry.rater_role ? ` by: ${entry.rater_role}` : ""}`,
    entry.note && `Note: ${entry.note}`,
  ].filter(Boolean);
}

function textOf(entry) {
  const lines = page.mark ? [`${page.mark}: ${page.mark_words}`, ""] : [], add = (text) => { if (text) lines.push(text); };
  lines.push(...aboutOf(entry), "");
  for (const { name, label } of page.terms.slice(0, model.p)) {
    if (entry.ratings[name] !== undefined) add(`${label}: ${entry.ratings[name]}`);
    else if (entry.not_come_up.includes(name)) add(`${label}: ${NOT_COME_UP}`);
  }
  lines.push("");
  if (entry.answer) {
    for (const part of byId("answer-parts").querySelectorAll(":scope > p.plain")) add(part.textContent);
    for (const item of byId("answer-parts").querySelectorAll(":scope > .reasons li")) add(`- ${[...item.children].map((child) => child.textContent).filter(Boolean).join(": ")}`);
    lines.push("");
  }
  add(`Model ${page.name}, fingerprint ${page.fingerprint}`);
  add(page.caveat);
  return lines.join("\n");
}

function update() {
  if (!session.day && !isEmpty(content())) session.day = today();
  const entry = content(), text = JSON.stringify(entry), count = Object.keys(entry.ratings).length;
  byId("count").textContent = countedOf(count, 0);
  byId("text").textContent = textOf(entry);
  byId("paper").textContent = aboutOf(entry).join(". ");
  const [mark, state] = isEmpty(entry) ? ["", "Nothing is rated yet."]
    : !count ? ["Not saved", "Rate one question at least: without a rating there is nothing to save."]
    : session.confirmedText === text ? ["In your file", `You confirmed that ${session.file} is there. Nothing has changed since.`]
    : session.offeredText === text ? ["Is the file there?", `The browser was asked to save ${session.file}. Look for it among your downloads, then confirm: this page cannot see whether it is there.`]
    : session.confirmedText ? ["Changed since the file", `Something has changed since ${session.file}. Save it again.`]
    : ["Not saved", "Not saved yet. If you leave this page now, it may be lost."];
  byId("mark").textContent = mark;
  byId("state").textContent = state;
  byId("save").disabled = !count; // a journal takes no interview without ratings
  byId("confirm").hidden = session.offeredText !== text || session.confirmedText === text;
  keepDraft();
}

function askAs() { // in the first person where the candidate rates
  for (const [t, fieldset] of asked.entries()) {
    const { label, question, anchors } = wordingOf(page.terms[t]);
    fieldset.querySelector("legend").textContent = question || label;
    for (const anchor of fieldset.querySelectorAll("dd")) anchor.textContent = anchors[anchor.dataset.rating] ?? "";
  }
}

function save() {
  const entry = content(), file = `interview-answers-${entry.rated_on}-${entry.id}.json`;
  const answers = { format: page.format, kind: page.file_kind, simulated: page.simulated === 1, saved_at: new Date().toISOString(), model: page.identity, text: textOf(entry).split("\n"), answers: [entry] };
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(answers, null, 1)}\n`], { type: "application/json" }));
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  session = { ...session, offeredText: JSON.stringify(entry), file };
  update();
  byId("confirm").focus();
}

// -- what happens when -------------------------------------------------------------------------------------------------
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", (event) => {
  if (event.target.name === `input.${page.terms[page.role]?.name}`) askAs();
  if (session.seen) show();
  update();
});
let pressed = null; // a second tap on a chosen rating takes it back
form.addEventListener("pointerdown", (event) => { const radio = event.target.closest("label")?.querySelector("input[type=radio]"); pressed = radio?.checked ? radio : null; });
form.addEventListener("click", (event) => {
  const radio = pressed;
  pressed = null;
  if (!radio || event.target !== radio) return;
  radio.checked = false;
  form.dispatchEvent(new Event("input"));
});
form.addEventListener("keydown", (event) => {
  if (event.target.type !== "radio" || !["Delete", "Backspace"].includes(event.key)) return;
  event.preventDefault();
  event.target.checked = false;
  event.target.dispatchEvent(new Event("input", { bubbles: true }));
});
function reveal() {
  byId("answer").hidden = !session.seen;
  byId("see").hidden = session.seen;
  byId("guessing").hidden = session.seen;
  form.classList.toggle("answered", session.seen);
  if (session.seen) show();
}
byId("see").addEventListener("click", () => {
  session.seen = true;
  session.guess = field("guess");
  reveal();
  update();
  byId("answer").focus();
  byId("answer").scrollIntoView();
});
byId("save").addEventListener("click", save);
byId("confirm").addEventListener("click", () => { session.confirmedText = session.offeredText; update(); byId("save").focus(); });
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("text").textContent);
    byId("copy").textContent = "Copied";
  } catch { // not allowed here: chosen, so that the browser's own "copy" takes it
    getSelection().selectAllChildren(byId("text"));
    byId("copy").textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => { byId("copy").textContent = "Copy"; }, 4000);
});
byId("print").addEventListener("click", () => print());
byId("anew").addEventListener("click", () => {
  const entry = content();
  if (!isEmpty(entry) && session.confirmedText !== JSON.stringify(entry) && !confirm("This interview is not saved. Clear it all the same?")) return;
  form.reset();
  byId("held_on").value = today();
  session = newSession();
  byId("restored").hidden = true;
  byId("answer-parts").replaceChildren();
  reveal();
  askAs();
  update();
  scrollTo(0, 0);
});
addEventListener("beforeunload", (event) => {
  const entry = content();
  if (!isEmpty(entry) && session.confirmedText !== JSON.stringify(entry)) {
    event.preventDefault();
    event.returnValue = ""; // what older browsers look at
  }
});
addEventListener("storage", (event) => {
  if (event.key !== DRAFT || !alone) return;
  alone = false;
  byId("restored").textContent = "This page is also open in another tab, which now keeps the draft. Save a file from here, or close this tab.";
  byId("restored").hidden = false;
});

byId("no-script").hidden = true;
for (const element of document.querySelectorAll(".run")) element.hidden = false;
byId("held_on").value = today(); // most rate on the day; a draft has its own
restoreDraft();
askAs();
reveal();
update();
