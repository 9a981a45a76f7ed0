"use strict";

const FILTERS = ["provider", "outcome", "type", "benchmark", "group", "evidence"];

async function startPage(source) {
  const at = (id) => document.getElementById(id);
  const listed = await source.index();
  const index = { ...listed, names: namesOf(listed) };
  const selection = new Selection(index);
  const state = { chosen: [], page: 0, open: null };
  let byName = null;

  function options(id, names) {
    const select = at(`filter-${id}`);
    names.forEach((name, number) => select.append(element("option", { value: String(number) }, name)));
    at(`label-${id}`).hidden = names.length < 2;
  }

  function choose() {
    const wanted = Object.fromEntries(FILTERS.map((name) => [name, at(`filter-${name}`).value]));
    state.chosen = selection.choose({ ...wanted, differ: at("filter-differ").checked, search: at("search").value });
    state.page = 0;
    showPage();
  }

  function showPage() {
    const pages = Math.max(1, Math.ceil(state.chosen.length / PAGE_ROWS));
    const first = state.page * PAGE_ROWS;
    showRows(at("rows"), index, state.chosen.slice(first, first + PAGE_ROWS));
    const last = Math.min(first + PAGE_ROWS, state.chosen.length);
    const some = `${thousands(state.chosen.length)} of ${thousands(index.ids.length)} questions`;
    at("count").textContent = state.chosen.length ? `${some}, ${thousands(first + 1)} to ${thousands(last)} shown` : `${some}: nothing matches`;
    at("earlier").disabled = state.page === 0;
    at("later").disabled = state.page >= pages - 1;
  }

  function turn(by) {
    const pages = Math.ceil(state.chosen.length / PAGE_ROWS);
    if (state.page + by < 0 || state.page + by >= pages) return false;
    state.page += by;
    showPage();
    return true;
  }

  const links = () => [...at("rows").querySelectorAll("a")];

  function focusRow(by) {
    const all = links();
    const now = all.indexOf(document.activeElement);
    if (now < 0) return all[0]?.focus();
    if (all[now + by]) return all[now + by].focus();
    if (turn(by)) links().at(by > 0 ? 0 : -1)?.focus();
  }

  // The question that the address names, with the provider if it names one; null for the list.
  function wanted() {
    byName ??= new Map(index.names.map((name, n) => [name, n]));
    const parts = location.hash.slice(1).split("/").map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
    return byName.has(parts[0]) ? { n: byName.get(parts[0]), provider: parts[1] ?? null } : null;
  }

  async function route() {
    const { n, provider } = wanted() ?? { n: null };
    const before = state.open;
    state.open = n;
    if (n !== null) {
      const detail = await source.detail(n);
      if (state.open !== n) return;
      at("question").replaceChildren(...questionPart(n, detail, index).filter(Boolean));
      at("issue").hidden = true;
      at("copied").textContent = "";
      const place = state.chosen.indexOf(n);
      at("place").textContent = place < 0 ? "" : `${thousands(place + 1)} of ${thousands(state.chosen.length)}`;
      at("previous").disabled = place <= 0;
      at("next").disabled = place < 0 || place + 1 >= state.chosen.length;
    }
    at("question-view").hidden = n === null;
    at("run-view").hidden = n !== null;
    if (n !== null) {
      const part = provider === null ? null : [...at("question").querySelectorAll(".provider")].find((one) => one.dataset.provider === provider);
      scrollTo(0, 0);
      at("question-title").focus({ preventScroll: true });
      part?.scrollIntoView();
    } else if (before !== null) {
      const place = state.chosen.indexOf(before);
      if (place >= 0 && Math.floor(place / PAGE_ROWS) !== state.page) {
        state.page = Math.floor(place / PAGE_ROWS);
        showPage();
      }
      const link = links()[place - state.page * PAGE_ROWS];
      link?.focus();
      link?.scrollIntoView({ block: "center" });
    }
    document.documentElement.dataset.shown = n === null ? "list" : String(n);
  }

  function step(by) {
    const next = state.chosen[state.chosen.indexOf(state.open) + by];
    if (state.chosen.includes(state.open) && next !== undefined) location.hash = linkTo(index.names[next]);
  }

  function close() {
    if (state.open !== null) location.hash = "";
  }

  async function copyIssue() {
    const text = asIssue(state.open, await source.detail(state.open), index);
    at("issue").value = text;
    at("issue").hidden = false;
    at("issue").select();
    try {
      await navigator.clipboard.writeText(text);
      at("copied").textContent = "Copied.";
    } catch {
      at("copied").textContent = "Copy the selected text.";
    }
  }

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Escape") {
      if (typing === at("search") && at("search").value) {
        at("search").value = "";
        choose();
      } else if (typing) typing.blur();
      else close();
    } else if (typing === at("search") && event.key === "Enter") {
      event.preventDefault();
      links()[0]?.focus();
    } else if (typing) {
      return;
    } else if (event.key === "/") {
      event.preventDefault();
      close();
      at("search").focus();
    } else if (event.key === "j" || event.key === "k") {
      const by = event.key === "j" ? 1 : -1;
      if (state.open === null) focusRow(by);
      else step(by);
    }
  }

  options("provider", index.providers);
  options("benchmark", index.benchmarks);
  options("type", index.types);
  options("group", index.groups);
  at("label-differ").hidden = index.providers.length < 2;
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("filters").addEventListener("input", choose);
  at("filters").addEventListener("reset", () => setTimeout(choose));
  at("earlier").addEventListener("click", () => turn(-1));
  at("later").addEventListener("click", () => turn(1));
  at("back").addEventListener("click", close);
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("copy").addEventListener("click", copyIssue);
  document.addEventListener("keydown", key);
  window.addEventListener("hashchange", route);
  choose();
  at("loading").hidden = true;
  at("list").hidden = false;
  await route();
  document.documentElement.dataset.ready = "1";
  setTimeout(() => selection.searchable());
}
