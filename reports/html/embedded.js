"use strict";

// A source of questions has two methods, both asynchronous: index() gives the list, detail(number) one question with
// its texts in place of numbers. This one reads the data in the page; a server's would fetch it.
function embeddedSource() {
  const kept = new Map();
  let list = null;

  function decode(text) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
    return bytes;
  }

  function unpack(id) {
    const bytes = decode(document.getElementById(id).textContent.trim());
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  }

  function block(number) {
    if (!kept.has(number)) {
      if (kept.size >= 4) kept.delete(kept.keys().next().value);
      kept.set(number, unpack(`block-${number}`));
    }
    return kept.get(number);
  }

  return {
    index: () => (list ??= unpack("index")),
    async detail(number) {
      const size = (await this.index()).block;
      const { texts, retrieved, questions } = await block(Math.floor(number / size));
      const one = questions[number % size];
      const text = (place) => (place === null ? null : texts[place]);
      return {
        ...one,
        question: text(one.question),
        gold: text(one.gold),
        rubric: one.rubric.map(text),
        evidence: one.evidence.map(([id, said]) => ({ id, text: text(said) })),
        asked: one.asked.map((asked) => ({
          ...asked,
          answer: text(asked.answer),
          explanation: text(asked.explanation),
          votes: asked.votes.map(([judge, repeat, label, why]) => ({ judge, repeat, label, explanation: text(why) })),
          nuggets: asked.nuggets.map(([score, reason]) => ({ score, reason: text(reason) })),
          results: asked.results.map(([rank, score, evidence, place]) => {
            const [said, date, sources] = retrieved[place];
            return { rank, score, evidence: evidence === 1, text: text(said), date, sources };
          }),
          steps: asked.steps.map(([phase, service_ms, waited_ms, attempts, tokens, error]) => ({
            phase, service_ms, waited_ms, attempts, tokens, error,
          })),
        })),
      };
    },
  };
}

startPage(embeddedSource()).catch((error) => {
  document.getElementById("loading").textContent = `The questions cannot be shown: ${error.message}. A browser of 2023 or later is needed.`;
});
