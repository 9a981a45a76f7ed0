"use strict";

function thousands(number) {
  return number.toLocaleString("en");
}

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== "" && value !== undefined);
  return element("dl", { class: "facts" }, ...known.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, element("bdi", {}, String(value))))));
}

// A text in a box that scrolls where it is long, so that it needs the keyboard there.
function box(text, name) {
  const long = text.length > 600;
  const attributes = { class: long ? "said long" : "said", dir: "auto" };
  if (long) Object.assign(attributes, { tabindex: "0", role: "region", "aria-label": name });
  return element("div", attributes, text === "" ? "(empty)" : text);
}

function table(name, headings, rows) {
  const cells = (row, tag) => row.map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, cell));
  return element("div", { class: `scroll ${name.split(" ")[0].toLowerCase()}`, role: "region", "aria-label": name, tabindex: "0" },
    element("table", {},
      element("caption", {}, name),
      element("thead", {}, element("tr", {}, ...cells(headings, "th"))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row, "td"))))));
}

// `text` with what of the evidence stands in it marked, unless it is nothing but that.
function marked(text, evidence) {
  for (const { text: said } of evidence) {
    const at = said ? text.indexOf(said) : -1;
    if (at >= 0 && said.length < text.length) {
      return [text.slice(0, at), element("mark", {}, said), text.slice(at + said.length)];
    }
  }
  return [text];
}

function resultList(asked, evidence) {
  const items = asked.results.map((result) => {
    const facts = [result.score === null ? null : `score ${result.score}`, result.date, result.sources.join(", ")];
    return element("li", { class: result.evidence ? "evidence" : null, value: result.rank },
      element("div", { class: "meta" },
        result.evidence ? element("span", { class: "badge" }, "evidence") : null,
        facts.filter(Boolean).join(" · ")),
      element("div", { class: "said", dir: "auto" }, ...marked(result.text, evidence)));
  });
  return element("ol", { class: "results" }, ...items);
}

function stepTable(asked, provider) {
  const rows = asked.steps.map((step) => [
    step.phase, step.service_ms.toFixed(1), thousands(step.waited_ms),
    step.attempts === 0 ? "from the cache" : String(step.attempts),
    step.tokens ? thousands(step.tokens[0]) : "–", step.tokens ? thousands(step.tokens[1]) : "–",
  ]);
  return table(`Steps of ${provider}`, ["Step", "Time ms", "Waited ms", "Attempts", "Tokens in", "Tokens out"], rows);
}

function resultsNote(asked) {
  if (asked.found === null) return "No search was done.";
  if (asked.found === 0) return "The search found nothing.";
  if (asked.results.length === asked.found) return asked.found === 1 ? "1 result." : `All ${thousands(asked.found)} results.`;
  return `The first results of ${thousands(asked.found)}, and those further down that hold evidence.`;
}

function givenNote(asked, detail) {
  if (asked.context_tokens === null) return null;
  const share = detail.haystack_tokens ? `, ${(100 * asked.context_tokens / detail.haystack_tokens).toFixed(1)} % of the haystack` : "";
  return `about ${thousands(asked.context_tokens)} tokens of results${share}`;
}

function providerPart(asked, detail, index, name) {
  const provider = index.providers[asked.provider];
  const errors = asked.steps.filter((step) => step.error);
  return element("section", { class: `provider ${asked.outcome}`, "data-provider": provider },
    element("h2", {}, element("bdi", {}, provider), " ", chip(asked.outcome === "unjudged" ? "not judged" : asked.outcome),
      " ", element("a", { class: "meta", href: linkTo(name, provider), "aria-label": `Link to the answer of ${provider}` }, "#")),
    element("h3", {}, "Answer"),
    box(asked.answer === null ? "No answer." : asked.answer, `Answer of ${provider}`),
    ...errors.flatMap((step) => [element("h3", {}, `Error in ${step.phase}`), box(step.error, `Error in ${step.phase}`)]),
    ...(asked.explanation === null ? [] : [element("h3", {}, "Judge"), box(asked.explanation, `Judge on ${provider}`)]),
    asked.votes.length === 0 ? null : table(`Votes on ${provider}`, ["Judge", "Repeat", "Vote", "Explanation"],
      asked.votes.map((vote) => [vote.judge, String(vote.repeat + 1), vote.label, vote.explanation])),
    asked.nuggets.length === 0 ? null : table(`Rubric on ${provider}`, ["Nugget", "Grade", "Reason"],
      asked.nuggets.map((nugget, n) => [detail.rubric[n] ?? "", String(nugget.score), nugget.reason])),
    facts([["Given to the model", givenNote(asked, detail)], ["Model", asked.model], ["Judge's model", asked.judge_model],
      ["Replayed", asked.replayed ? "earlier steps were kept" : null]]),
    element("h3", {}, "Results"),
    element("p", { class: "meta" }, resultsNote(asked)),
    resultList(asked, detail.evidence),
    stepTable(asked, provider));
}

function evidenceList(detail, index) {
  if (detail.evidence.length === 0) return element("p", { class: "meta" }, "The data set names none.");
  return element("ul", { class: "evidence-list" }, ...detail.evidence.map(({ id, text }) => {
    const where = detail.asked.map((asked) => {
      const hit = asked.results.find((result) => result.evidence && result.sources.includes(id));
      return hit ? `${index.providers[asked.provider]} at rank ${hit.rank}` : null;
    }).filter(Boolean);
    return element("li", {}, element("code", {}, id), " ",
      element("bdi", {}, text === null ? "(no provider returned this message alone)" : text),
      element("span", { class: "meta" }, where.length ? ` found by ${where.join(", ")}` : ""));
  }));
}

function questionPart(n, detail, index) {
  const id = index.ids[n];
  const heading = element("h1", { id: "question-title", tabindex: "-1", dir: "auto" }, detail.question || "(empty)");
  return [
    heading,
    facts([["Question", id], ["Asked on", detail.date && detail.date.slice(0, 16).replace("T", " ")],
      ["Benchmark", index.benchmarks[index.benchmark[n]]], ["Type", index.types[index.type[n]]],
      ["Groups", index.group[n].map((g) => index.groups[g]).join(", ")],
      ["Id in the data set", detail.source === id ? null : detail.source], ["Haystack", detail.haystack]]),
    element("h2", {}, "Expected answer"),
    box(detail.gold, "Expected answer"),
    detail.answerable ? null : element("p", { class: "meta" }, "The haystack does not say: declining is correct."),
    element("h2", {}, "Evidence"),
    evidenceList(detail, index),
    element("div", { class: "providers" }, ...detail.asked.map((asked) => providerPart(asked, detail, index, index.names[n]))),
  ];
}

// A fence that is longer than any in the text.
function fenced(text) {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}

function inline(text) {
  return text.replace(/[\\`*_{}[\]()#+!|<>~&@]/g, "\\$&").replace(/\s+/g, " ");
}

function asIssue(n, detail, index) {
  const { run } = index;
  const code = run.commit ? `memorybench ${run.version} at ${run.commit}` : `memorybench ${run.version}`;
  const parts = [
    `## ${inline(index.ids[n])}: ${inline(detail.question.slice(0, 200))}`,
    `Run ${inline(run.id)}, ${inline(index.benchmarks[index.benchmark[n]])}, ${inline(index.types[index.type[n]])}, ${code}.`,
    "**Question**", fenced(detail.question), "**Expected**", fenced(detail.gold),
  ];
  if (detail.evidence.length) {
    parts.push("**Evidence**", fenced(detail.evidence.map(({ id, text }) => (text === null ? id : `${id}  ${text}`)).join("\n")));
  }
  for (const asked of detail.asked) {
    parts.push(`### ${inline(index.providers[asked.provider])}: ${asked.outcome}`, fenced(asked.answer ?? "no answer"));
    if (asked.explanation) parts.push("**Judge**", fenced(asked.explanation));
    for (const step of asked.steps) if (step.error) parts.push(`**Error in ${step.phase}**`, fenced(step.error));
    const lines = asked.results.slice(0, 5).map((one) => `${one.rank}${one.evidence ? "*" : " "} ${one.text.replace(/\s+/g, " ").slice(0, 200)}`);
    if (lines.length) parts.push("**First results (* holds evidence)**", fenced(lines.join("\n")));
  }
  parts.push("**To see it again**", fenced(run.command));
  return `${parts.join("\n\n")}\n`;
}
