"use strict";

const OUTCOMES = { c: "correct", w: "wrong", a: "abstained", e: "error", u: "not judged" };
const BASELINES = ["none", "oracle"];
const PAGE_ROWS = 50;

// An element with attributes, and children that are elements or texts. Text only ever enters the page as text.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// What addresses call each question: its id, and its benchmark where several ask a question of this id.
function namesOf(index) {
  const seen = new Map();
  for (const id of index.ids) seen.set(id, (seen.get(id) ?? 0) + 1);
  return index.ids.map((id, n) => (seen.get(id) === 1 ? id : `${index.benchmarks[index.benchmark[n]]}:${id}`));
}

function linkTo(name, provider = null) {
  return `#${encodeURIComponent(name)}${provider === null ? "" : `/${encodeURIComponent(provider)}`}`;
}

function chip(outcome, provider = null) {
  const text = provider === null ? outcome : `${provider}: ${outcome}`;
  return element("bdi", { class: `chip ${outcome.replace(" ", "-")}` }, text);
}

// Chooses questions: the numbers of those that match, failures first.
class Selection {
  constructor(index) {
    this.index = index;
    this.texts = null;
    const systems = index.providers.map((name, number) => (BASELINES.includes(name) ? -1 : number));
    this.systems = systems.some((number) => number >= 0) ? systems.filter((number) => number >= 0) : systems.keys();
    this.systems = [...this.systems];
  }

  // What a search reads, made once.
  searchable() {
    if (this.texts === null) {
      const { ids, question, gold, answers } = this.index;
      this.texts = ids.map((id, n) => {
        let text = `${id}\n${question[n]}\n${gold[n]}`;
        for (const said of answers) if (said[n]) text += `\n${said[n]}`;
        return text.toLowerCase();
      });
    }
    return this.texts;
  }

  choose({ provider, outcome, type, benchmark, group, evidence, differ, search }) {
    const { index } = this;
    const { outcomes, found } = index;
    const everybody = outcomes.map((_, number) => number);
    const scope = provider === "" ? everybody : [Number(provider)];
    const ranked = provider === "" ? this.systems : scope;
    const order = "ewauc-";
    const buckets = [...order].map(() => []);
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = words.length ? this.searchable() : null;
    const ofType = type === "" ? -1 : Number(type);
    const ofBenchmark = benchmark === "" ? -1 : Number(benchmark);
    const ofGroup = group === "" ? -1 : Number(group);
    for (let n = 0; n < index.ids.length; n++) {
      if (ofType >= 0 && index.type[n] !== ofType) continue;
      if (ofBenchmark >= 0 && index.benchmark[n] !== ofBenchmark) continue;
      if (ofGroup >= 0 && !index.group[n].includes(ofGroup)) continue;
      let matches = false;
      for (const p of scope) {
        const letter = outcomes[p][n];
        if (letter === "-") continue;
        if (outcome !== "" && (outcome === "failed" ? letter === "c" || letter === "u" : letter !== outcome)) continue;
        if (evidence !== "" && found[p][n] !== evidence) continue;
        matches = true;
        break;
      }
      if (!matches) continue;
      if (differ) {
        let right = false, other = false;
        for (const p of everybody) {
          if (outcomes[p][n] === "c") right = true;
          else if (outcomes[p][n] !== "-") other = true;
        }
        if (!(right && other)) continue;
      }
      if (texts !== null && !words.every((word) => texts[n].includes(word))) continue;
      let worst = order.length - 1;
      for (const p of ranked) worst = Math.min(worst, order.indexOf(outcomes[p][n]));
      buckets[worst].push(n);
    }
    return buckets.flat();
  }
}

// One page of the list, in `place`.
function showRows(place, index, numbers) {
  const several = index.providers.length > 1;
  const rows = numbers.map((n) => {
    const asked = index.providers.map((_, p) => p).filter((p) => index.outcomes[p][n] !== "-");
    const outcome = (p) => OUTCOMES[index.outcomes[p][n]];
    const meta = [index.ids[n], index.types[index.type[n]]];
    if (index.benchmarks.length > 1) meta.splice(1, 0, index.benchmarks[index.benchmark[n]]);
    const answers = asked.map((p) => element("div", { class: "got" },
      element("span", { class: "label" }, several ? `${index.providers[p]} ` : "answer "),
      element("bdi", {}, index.answers[p][n] === null ? "–" : index.answers[p][n] || "(empty)")));
    return element("li", { class: "row" },
      element("div", { class: "chips" }, ...asked.map((p) => chip(outcome(p), several ? index.providers[p] : null))),
      element("div", {},
        element("a", { href: linkTo(index.names[n]), dir: "auto" }, index.question[n] || "(empty)"),
        element("div", { class: "meta" }, meta.join(" · "))),
      element("div", { class: "gold" }, element("span", { class: "label" }, "expected "),
        element("bdi", {}, index.gold[n] || "(empty)")),
      element("div", { class: "answers" }, ...answers));
  });
  place.replaceChildren(...rows);
}
