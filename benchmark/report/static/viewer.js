"use strict";
// The trajectory viewer. Data come as scripts that call `cotgap`, because a page of the file system
// may not fetch. Whatever comes from a record becomes text nodes, never markup.
const cotgap = (() => {
  const SHOWN = 100; // episodes listed at a time
  const SIGN = { helpful: "▲", harmful: "▼", neutral: "■", unjudged: "◆", same: "" };
  const WORDS = {
    helpful: "Helpful revision: the CoT action leads closer to success than the prompt action.",
    harmful: "Harmful revision: the CoT action leads further from success than the prompt action.",
    neutral: "Neutral revision: both actions leave the same distance.",
    unjudged: "Revision, not judged: no distance is known here.",
    same: "No revision: both modes chose the same action.",
  };
  const OUTCOME = { success: ["✓", "helpful"], failure: ["✕", "harmful"], truncated: ["…", "neutral"] };
  const byId = (id) => document.getElementById(id);
  const loaded = new Map(), waiting = new Map();
  let runs = [], rows = [], listed = [], limit = SHOWN, shown = 0;

  function make(tag, options = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (value === undefined || value === null || value === false) continue;
      if (name === "class") element.className = value;
      else if (name === "on") element.addEventListener("click", value);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }
  const named = (text, cls) => make("bdi", { class: cls }, text);
  const drawn = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  // The address: everything that is shown is in it.
  const read = () => new URLSearchParams(location.hash.slice(1));
  function go(changes, replace = false) {
    const state = read();
    for (const [name, value] of Object.entries(changes))
      if (value === null || value === "") state.delete(name);
      else state.set(name, value);
    if (replace) {
      history.replaceState(null, "", `#${state}`);
      render();
    } else location.hash = String(state);
  }
  const whole = (text, most) => (/^\d{1,9}$/.test(text ?? "") ? Math.min(Number(text), most) : null);

  function load(id) {
    if (loaded.has(id)) return Promise.resolve(loaded.get(id));
    if (!waiting.has(id))
      waiting.set(id, new Promise((resolve, reject) => {
        const script = make("script", { src: `episodes/${id}.js` });
        script.onload = () => {
          script.remove();
          waiting.delete(id);
          if (loaded.has(id)) resolve(loaded.get(id));
          else reject(new Error(`episodes/${id}.js holds no episode ${id}`));
        };
        script.onerror = () => {
          script.remove();
          waiting.delete(id);
          reject(new Error(`episodes/${id}.js is missing from the report's folder`));
        };
        document.head.append(script);
      }));
    return waiting.get(id);
  }

  // The list.
  const scored = (row) => ["success", "failure", "truncated"].includes(row.status);
  const revisions = (row, ...kinds) => kinds.reduce((sum, kind) => sum + (row.verdicts[kind] ?? 0), 0);
  const revised = (row) => revisions(row, "helpful", "harmful", "neutral", "unjudged");
  const TESTS = {
    text: (row, value) => `${row.key} ${row.goal}`.toLowerCase().includes(value.toLowerCase()),
    run: (row, value) => String(row.run) === value,
    panel: (row, value) => row.panel === value,
    kind: (row, value) => row.kind === value,
    mode: (row, value) => row.mode === value,
    outcome: (row, value) => value === "scored" ? scored(row) : value === "error" ? !scored(row) : row.status === value,
    revision: (row, value) => value === "any" ? revised(row) > 0 : value === "none" ? revised(row) === 0 : revisions(row, value) > 0,
    parse: (row, value) => (row.unparsed > 0) === (value === "yes"),
  };
  function filter(state) {
    const tests = Object.entries(TESTS).filter(([name]) => state.get(name));
    return rows.map((_, id) => id).filter((id) => tests.every(([name, test]) => test(rows[id], state.get(name))));
  }
  function outcome(row) {
    const [sign, style] = OUTCOME[row.status] ?? ["!", "harmful"];
    return make("span", { class: style, role: "img", "aria-label": row.status, title: row.status }, sign);
  }
  function marks(row) {
    const counts = ["helpful", "harmful"].filter((kind) => row.verdicts[kind]).flatMap((kind) => [
      make("span", { class: kind, title: `${kind} revisions` }, `${SIGN[kind]}${row.verdicts[kind]}`), " "]);
    if (row.unparsed) counts.push(make("span", { class: "harmful", title: "parse errors" }, `⚠${row.unparsed}`));
    return make("span", { class: "marks" }, ...counts);
  }
  function item(id, current) {
    const row = rows[id];
    const state = read();
    state.set("episode", id);
    for (const name of ["step", "compare"]) state.delete(name);
    const under = [row.mode, row.kind, runs.length > 1 ? runs[row.run].label : "", row.repeat ? `repeat ${row.repeat}` : ""];
    return make("li", {}, make("a", { href: `#${state}`, "aria-current": id === current ? "true" : null, "data-id": id },
      outcome(row), named(row.goal || row.task, "name"), marks(row),
      named(`${row.panel.split("/").pop()} ${row.task} · ${under.filter(Boolean).join(" · ")}`, "under")));
  }
  let last = "";
  function list(state, current) {
    const key = JSON.stringify([Object.keys(TESTS).map((name) => state.get(name)), limit]);
    if (key !== last) {
      listed = filter(state);
      last = key;
      byId("episodes").replaceChildren(...listed.slice(0, limit).map((id) => item(id, current)));
      byId("count").textContent = listed.length === rows.length
        ? `${rows.length.toLocaleString("en")} episodes`
        : `${listed.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} episodes`;
      byId("more").hidden = listed.length <= limit;
    }
    for (const link of byId("episodes").querySelectorAll("a")) {
      if (Number(link.dataset.id) === current) {
        link.setAttribute("aria-current", "true");
        link.scrollIntoView({ block: "nearest", behavior: "instant" });
      } else link.removeAttribute("aria-current");
    }
  }

  // An episode.
  const executed = (step) => step.decisions[step.driver];
  const act = (step) => step === undefined ? null : executed(step).canonical ?? executed(step).action;
  function divergence(one, two) {
    const most = Math.max(one.steps.length, two.steps.length);
    for (let at = 0; at < most; at++) {
      const [a, b] = [one.steps[at], two.steps[at]];
      if (a === undefined || b === undefined || act(a) !== act(b)) return at;
    }
    return null;
  }
  const rivals = (id) => rows.map((_, other) => other).filter((other) => other !== id && rows[other].key === rows[id].key);
  function otherMode(id) {
    const same = rivals(id).filter((other) => rows[other].mode !== rows[id].mode);
    const close = (other) => (rows[other].run === rows[id].run) * 2 + (rows[other].repeat === rows[id].repeat);
    return same.sort((a, b) => close(b) - close(a))[0] ?? rivals(id)[0] ?? null;
  }
  const title = (id) => {
    const row = rows[id];
    return `${row.mode}${row.repeat ? `, repeat ${row.repeat}` : ""}${runs.length > 1 ? `, ${runs[row.run].label}` : ""} (${row.status})`;
  };

  function header(id, episode) {
    const row = rows[id];
    byId("where").replaceChildren(named(row.key), " · ", named(runs[row.run].label),
      runs[row.run].complete ? "" : " (incomplete run)");
    byId("goal").replaceChildren(named(episode.goal || row.task));
    const [read_, written] = episode.tokens;
    const facts = [`driven by ${row.mode}`, row.kind, `${row.steps} steps`, row.score === null ? "no score" : `score ${row.score}`,
      read_ + written ? `${read_.toLocaleString("en")} tokens read, ${written.toLocaleString("en")} written` : "",
      episode.dropped ? `context overflow: up to ${episode.dropped} steps left out` : "", row.unparsed ? `${row.unparsed} steps with a parse error` : "",
      row.invalid ? `${row.invalid} invalid actions` : ""];
    byId("facts").replaceChildren(outcome(row), " ", make("b", {}, row.status), named(` · ${facts.filter(Boolean).join(" · ")}`));
    byId("trouble").hidden = episode.error === null;
    byId("trouble").textContent = episode.error ?? "";
  }
  function compareOptions(id, other) {
    const options = [make("option", { value: "" }, "nothing"), ...rivals(id).map((rival) => make("option", { value: rival }, title(rival)))];
    byId("compare").replaceChildren(...options);
    byId("compare").value = other === null ? "" : String(other);
    byId("compare").disabled = byId("diverge").disabled = options.length === 1;
  }
  function stepList(one, two, at) {
    const most = Math.max(one.steps.length, two ? two.steps.length : 0);
    const line = (step, cls = "act") => named(step === undefined ? "(ended)" : executed(step).action ?? "(no action)", cls);
    const items = Array.from({ length: most }, (_, number) => {
      const [a, b] = [one.steps[number], two?.steps[number]];
      const unparsed = a && Object.values(a.decisions).some((decision) => decision.action === null);
      const signs = make("span", { class: "marks" },
        a && unparsed ? make("span", { class: "harmful", role: "img", "aria-label": "parse error" }, "⚠") : null,
        a && SIGN[a.verdict] ? make("span", { class: a.verdict, role: "img", "aria-label": `${a.verdict} revision` }, SIGN[a.verdict]) : null,
        a?.judged ? make("span", { title: "distance to success" }, ` ${a.distance ?? "∞"}`) : null);
      return make("li", {}, make("button", { type: "button", class: two && act(a) !== act(b) ? "differs" : null,
        "aria-current": number === at ? "step" : null, on: () => go({ step: number + 1 }) },
      make("span", { class: "number" }, String(number + 1)), line(a), signs, two ? line(b, "act second") : null));
    });
    byId("steps").replaceChildren(...items);
    const current = byId("steps").querySelector("[aria-current]");
    if (current) byId("steps").scrollTop = current.offsetTop - byId("steps").offsetTop - 60;
  }
  function distances(steps, at) {
    const known = steps.map((step, x) => [x, step.distance]).filter(([x, distance]) => steps[x].judged && distance !== null);
    byId("distance").hidden = known.length < 2;
    if (known.length < 2) return;
    const [width, height, edge] = [240, 54, 5];
    const most = Math.max(...known.map(([, distance]) => distance), 1);
    const x = (step) => edge + (width - 2 * edge) * step / Math.max(1, steps.length - 1);
    const y = (distance) => height - edge - (height - 2 * edge) * distance / most;
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `Distance to success by step: ${known.map(([, distance]) => distance).join(", ")}` });
    svg.append(drawn("line", { class: "s-line", x1: 0, x2: width, y1: y(0), y2: y(0) }));
    svg.append(drawn("polyline", { class: "s-muted", fill: "none", "stroke-width": 1.5, points: known.map(([s, d]) => `${x(s)},${y(d)}`).join(" ") }));
    for (const [s, d] of known) {
      const style = { helpful: "helpful", harmful: "harmful" }[steps[s].verdict];
      if (s === at || style) svg.append(drawn("circle", { class: `f-${style ?? "cot"}`, cx: x(s), cy: y(d), r: s === at ? 5 : 3 }));
    }
    byId("distance").replaceChildren(make("span", { class: "label" }, `distance to success, 0 to ${most}`), svg);
  }
  function decision(mode, step) {
    const given = step.decisions[mode];
    if (!given) return make("div", { class: "decision absent" }, `The ${mode} action was not recorded at this state.`);
    const ran = mode === step.driver;
    const badges = [make("b", {}, named(mode)), make("span", { class: ran ? "badge executed" : "badge" }, ran ? "executed" : "shadow")];
    if (given.error !== null) badges.push(make("span", { class: "badge bad" }, `parse error: ${given.error}`));
    if (ran && given.action !== null && !step.valid) badges.push(make("span", { class: "badge bad" }, "not accepted"));
    const known = given.judged && step.distance !== null;
    const after = !given.judged ? null : given.distance === null ? "leaves no way to success"
      : `leaves a distance of ${given.distance}` + (known ? given.distance < step.distance ? " (closer)" : given.distance > step.distance ? " (further)" : " (no closer)" : "");
    const costs = [after, given.tokens ? `${given.tokens} tokens` : null, given.finish === "stop" ? null : `ended by ${given.finish}`, ran && step.reward ? `reward ${step.reward}` : null];
    return make("div", { class: `decision ${["prompt", "cot"].includes(mode) ? mode : ""}` },
      make("h5", {}, ...badges),
      given.thought === null ? null : make("p", { class: "thought", dir: "auto" }, given.thought || "(an empty thought)"),
      given.action === null ? make("p", { class: "action missing" }, "no action") : make("p", { class: "action", dir: "auto" }, given.action),
      make("p", { class: "after" }, costs.filter(Boolean).join(" · ")),
      make("details", {}, make("summary", {}, "the reply as written"), make("pre", { class: "raw" }, given.raw)));
  }
  function pane(id, episode, at, headed) {
    const step = episode.steps[at];
    const box = make("article", { class: "pane", "aria-label": title(id) }, headed ? make("h4", {}, named(title(id))) : null);
    if (step === undefined) {
      box.append(make("p", { class: "note" }, episode.steps.length ? "This episode has ended before." : "No step was taken."));
      if (!episode.steps.length || at >= episode.steps.length) box.append(ending(episode));
      return box;
    }
    const modes = [...new Set(["prompt", "cot", ...Object.keys(step.decisions)])];
    box.append(make("span", { class: "label" }, "observation", step.judged ? ` · the oracle's distance to success: ${step.distance ?? "no way left"}` : ""),
      make("p", { class: "text", dir: "auto" }, step.observation),
      make("div", { class: "decisions" }, ...modes.map((mode) => decision(mode, step))));
    if (step.verdict !== null) box.append(make("p", { class: `verdict ${step.verdict}` }, `${SIGN[step.verdict]} ${WORDS[step.verdict]}`.trim()));
    if (at === episode.steps.length - 1) box.append(ending(episode));
    return box;
  }
  const ending = (episode) => make("div", { class: "ending" },
    make("span", { class: "label" }, "after the last action"), make("p", { class: "text", dir: "auto" }, episode.final || "(nothing)"));

  async function render() {
    const turn = ++shown;
    const state = read();
    for (const field of document.querySelectorAll("[data-filter]")) {
      const value = state.get(field.dataset.filter) ?? "";
      if (field.value !== value) field.value = value;
    }
    const id = whole(state.get("episode"), Infinity);
    list(state, id);
    byId("empty").textContent = listed.length ? "Choose an episode." : "No episode fits these filters.";
    const there = id !== null && id < rows.length;
    byId("episode").hidden = !there;
    byId("empty").hidden = there;
    if (id !== null && !there) byId("empty").textContent = `There is no episode ${id} in this report.`;
    if (!there) return;
    const rival = whole(state.get("compare"), Infinity);
    const other = rival !== null && rivals(id).includes(rival) ? rival : null;
    let one, two;
    try {
      [one, two] = await Promise.all([load(id), other === null ? null : load(other)]);
    } catch (error) {
      byId("episode").hidden = true;
      byId("empty").hidden = false;
      byId("empty").textContent = error.message;
      return;
    }
    if (turn !== shown) return; // something else was asked for meanwhile
    const most = Math.max(one.steps.length, two ? two.steps.length : 0, 1);
    const at = Math.max(1, whole(state.get("step"), most) ?? 1) - 1;
    header(id, one);
    compareOptions(id, other);
    stepList(one, two, at);
    distances(one.steps, at);
    byId("place").textContent = `Step ${at + 1} of ${most}`;
    byId("previous").disabled = at === 0;
    byId("next").disabled = at === most - 1;
    byId("nextrevision").disabled = !one.steps.some((step) => SIGN[step.verdict]);
    byId("panes").className = two ? "panes two" : "panes";
    byId("panes").replaceChildren(pane(id, one, at, two), ...(two ? [pane(other, two, at, true)] : []));
    const apart = two ? divergence(one, two) : null;
    byId("divergence").textContent = !two ? "" : apart === null ? "Both episodes take the same actions."
      : `First divergence at step ${apart + 1}.`;
  }

  // What a user does.
  async function toDivergence() {
    const id = whole(read().get("episode"), Infinity);
    const other = whole(read().get("compare"), Infinity) ?? (id === null ? null : otherMode(id));
    if (id === null || other === null) return;
    const apart = divergence(...await Promise.all([load(id), load(other)]));
    go({ compare: other, step: apart === null ? 1 : apart + 1 });
  }
  async function toRevision() {
    const id = whole(read().get("episode"), Infinity);
    if (id === null) return;
    const steps = (await load(id)).steps;
    const at = (whole(read().get("step"), Infinity) ?? 1) - 1;
    const order = steps.map((_, number) => (at + 1 + number) % steps.length);
    const found = order.find((number) => SIGN[steps[number].verdict]);
    if (found !== undefined) go({ step: found + 1 });
  }
  function move(by) {
    const button = byId(by < 0 ? "previous" : "next");
    if (!button.disabled && !byId("episode").hidden) go({ step: (whole(read().get("step"), Infinity) ?? 1) + by });
  }
  function episodeMove(by) {
    const at = listed.indexOf(whole(read().get("episode"), Infinity));
    const next = listed[at + by];
    if (at + by >= limit) limit += SHOWN;
    if (next !== undefined) go({ episode: next, step: null, compare: null });
  }
  const KEYS = {
    ArrowLeft: () => move(-1), ArrowRight: () => move(1), "[": () => episodeMove(-1), "]": () => episodeMove(1),
    d: toDivergence, r: toRevision, "/": () => byId("f-text").focus(), "?": () => byId("keys").showModal(),
  };
  function start() {
    byId("filters").addEventListener("input", (event) => {
      limit = SHOWN;
      go({ [event.target.dataset.filter]: event.target.value }, true);
    });
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filters").addEventListener("reset", () => {
      limit = SHOWN;
      go(Object.fromEntries(Object.keys(TESTS).map((name) => [name, null])));
    });
    byId("more").addEventListener("click", () => { limit += SHOWN; render(); });
    byId("compare").addEventListener("change", (event) => go({ compare: event.target.value }));
    byId("diverge").addEventListener("click", toDivergence);
    byId("nextrevision").addEventListener("click", toRevision);
    byId("help").addEventListener("click", KEYS["?"]);
    byId("previous").addEventListener("click", () => move(-1));
    byId("next").addEventListener("click", () => move(1));
    addEventListener("keydown", (event) => {
      const busy = event.target.closest?.("input, select, textarea, dialog[open]");
      if (busy || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
      event.preventDefault();
      KEYS[event.key]();
    });
    addEventListener("hashchange", render);
    render();
  }
  return {
    index(theRuns, theRows) { runs = theRuns; rows = theRows; start(); },
    episode(id, data) { loaded.set(id, data); },
  };
})();
