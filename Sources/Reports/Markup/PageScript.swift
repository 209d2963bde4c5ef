/// The script of a page: tooltips of charts, and reading the confusion matrix cell by cell. Everything that it says stands
/// in the tables of the page, which show it without a script too.
enum PageScript {
  static let javaScript = """

    "use strict";

    // Tooltips: a pointer, or the arrow keys as on a slider, choose a row of the chart's table.
    for (const chart of document.querySelectorAll("figure.chart")) {
      const plot = chart.querySelector(".plot");
      const table = chart.querySelector("details table");
      if (!plot || !table) continue;
      const rows = [...table.tBodies[0].rows];
      const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
      const styles = [...chart.querySelectorAll(".key")].map((key) => key.classList[1]);
      const low = Number(plot.dataset.x0), high = Number(plot.dataset.x1);
      const xs = rows.map((row) => Number(row.cells[0].dataset.value));
      const share = (x) => high > low ? (x - low) / (high - low) : 0.5;
      const cursor = document.createElement("div"), tip = document.createElement("div");
      cursor.className = "cursor";
      tip.className = "tip";
      cursor.hidden = tip.hidden = true;
      plot.append(cursor, tip);

      let current = rows.length - 1;
      function choose(index) {
        current = Math.min(Math.max(index, 0), rows.length - 1);
        const cells = [...rows[current].cells];
        const position = 100 * share(xs[current]);
        const heading = document.createElement("b");
        heading.textContent = names[0] + " " + cells[0].textContent;
        const lines = cells.slice(1).flatMap((cell, column) => {
          if (!cell.textContent) return [];
          const line = document.createElement("span");
          if (styles.length) {
            const color = document.createElement("i");
            color.className = styles[column];
            line.append(color);
          }
          line.append(names[column + 1] + " " + cell.textContent);
          return [line];
        });
        tip.replaceChildren(heading, ...lines);
        cursor.style.left = position + "%";
        tip.style.left = position + "%";
        tip.style.transform = "translateX(-" + position + "%)";
        plot.setAttribute("aria-valuenow", current + 1);
        plot.setAttribute("aria-valuetext", [heading, ...lines].map((part) => part.textContent).join(", "));
      }
      function show(index) {
        choose(index);
        cursor.hidden = tip.hidden = false;
      }
      function hide() { if (document.activeElement !== plot) cursor.hidden = tip.hidden = true; }

      plot.tabIndex = 0;
      plot.setAttribute("role", "slider");
      plot.setAttribute("aria-valuemin", 1);
      plot.setAttribute("aria-valuemax", rows.length);
      choose(current);
      plot.addEventListener("pointermove", (event) => {
        const box = plot.getBoundingClientRect();
        const x = low + (event.clientX - box.left) / box.width * (high - low);
        let nearest = 0;
        xs.forEach((value, index) => { if (Math.abs(value - x) < Math.abs(xs[nearest] - x)) nearest = index; });
        show(nearest);
      });
      plot.addEventListener("pointerleave", hide);
      plot.addEventListener("focus", () => { if (plot.matches(":focus-visible")) show(current); });
      plot.addEventListener("blur", hide);
      plot.addEventListener("keydown", (event) => {
        const page = Math.max(1, Math.round(rows.length / 10));
        const moves = {
          ArrowLeft: current - 1, ArrowDown: current - 1, ArrowRight: current + 1, ArrowUp: current + 1,
          PageDown: current - page, PageUp: current + page, Home: 0, End: rows.length - 1
        };
        if (event.key === "Escape") { cursor.hidden = tip.hidden = true; return; }
        if (!(event.key in moves)) return;
        event.preventDefault();
        show(moves[event.key]);
      });
    }

    // The confusion matrix: one cell takes part in the order of the Tab key, arrow keys choose another.
    for (const matrix of document.querySelectorAll("table.matrix")) {
      const reading = matrix.closest(".confusion").querySelector(".reading");
      const names = [...matrix.tHead.rows[0].cells].map((cell) => cell.textContent);
      const rows = [...matrix.tBodies[0].rows];
      const cells = rows.map((row) => [...row.cells].slice(1));
      function read(cell) {
        const truth = cell.parentElement.cells[0].textContent, prediction = names[cell.cellIndex];
        const pixels = Number(cell.dataset.value).toLocaleString("en").replaceAll(",", "\\u202f");
        const share = cell.dataset.share ? ", " + cell.dataset.share + " of " + truth : "";
        return truth + " predicted as " + prediction + ": " + pixels + " pixels" + share;
      }
      matrix.setAttribute("role", "grid");
      cells.flat().forEach((cell, index) => { cell.tabIndex = index === 0 ? 0 : -1; });
      matrix.addEventListener("pointerover", (event) => {
        const cell = event.target.closest("tbody td");
        if (cell) reading.textContent = read(cell);
      });
      matrix.addEventListener("focusin", (event) => {
        const cell = event.target.closest("tbody td");
        if (!cell) return;
        cells.flat().forEach((other) => { other.tabIndex = other === cell ? 0 : -1; });
        cell.setAttribute("aria-label", read(cell));
        reading.textContent = read(cell);
      });
      matrix.addEventListener("keydown", (event) => {
        const cell = event.target.closest("tbody td");
        const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
        if (!cell || !(event.key in moves)) return;
        event.preventDefault();
        const [down, right] = moves[event.key];
        const row = cells[rows.indexOf(cell.parentElement) + down];
        const next = row && row[cell.cellIndex - 1 + right];
        if (next) next.focus();
      });
    }

    """
}
