"use strict";
// Sorting and filtering of a board's tables. What is chosen is in the address.
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const sections = [...document.querySelectorAll("section.table")];
  const fields = [...form.querySelectorAll("[data-filter]")];
  const OF_TABLE = ["suite", "panel", "mode"];

  // Filters.
  function apply() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const field of fields) {
      const value = state.get(field.dataset.filter) ?? "";
      field.value = [...field.options].some((option) => option.value === value) ? value : "";
    }
    const wanted = fields.filter((field) => field.value).map((field) => [field.dataset.filter, field.value]);
    const fits = (element, names) =>
      wanted.every(([name, value]) => !names(name) || element.dataset[name] === value);
    let rows = 0, tables = 0;
    for (const section of sections) {
      let shown = 0;
      for (const row of section.querySelectorAll("tbody:not(.beside) tr")) {
        row.hidden = !fits(row, (name) => !OF_TABLE.includes(name));
        shown += row.hidden ? 0 : 1;
      }
      section.hidden = !shown || !(fits(section, (name) => OF_TABLE.includes(name)));
      if (!section.hidden) {
        rows += shown;
        tables += 1;
      }
    }
    const word = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
    document.getElementById("count").textContent = `${word(rows, "row")} in ${word(tables, "table")}`;
    document.getElementById("none").hidden = rows > 0;
  }
  function choose() {
    const state = new URLSearchParams();
    for (const field of fields) if (field.value) state.set(field.dataset.filter, field.value);
    history.replaceState(null, "", `#${state}`);
    apply();
  }
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(choose));
  addEventListener("hashchange", apply);

  // Sorting. What has no value stays last, whichever way.
  function sort(header) {
    const row = header.parentElement;
    const column = [...row.children].indexOf(header);
    const numbers = header.dataset.sort === "number";
    const before = header.getAttribute("aria-sort");
    const down = before === null ? numbers && column > 0 : before === "ascending";
    for (const other of row.children) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = header.closest("table").tBodies[0];
    const value = (line) => line.children[column].dataset.value;
    const lines = [...body.rows].map((line, place) => ({ line, place, key: value(line) }));
    lines.sort((a, b) => {
      if ((a.key === "") !== (b.key === "")) return a.key === "" ? 1 : -1;
      const order = numbers ? Number(a.key) - Number(b.key) : a.key.localeCompare(b.key, "en");
      return (down ? -order : order) || a.place - b.place;
    });
    body.append(...lines.map((one) => one.line));
  }
  for (const header of document.querySelectorAll("th[data-sort]"))
    header.querySelector("button").addEventListener("click", () => sort(header));

  form.hidden = false;
  apply();
})();
