// Draws a dashboard from BOARD (title, panels with their place and the answers to their queries).
const COLORS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2",
                "#fade2a", "#37872d", "#e0b400"];
const COLUMN = 58, ROW = 36, GAP = 8;

function format(value, unit) {
  if (value === null || Number.isNaN(value)) return "";
  const short = (v) => v === 0 ? "0" : Math.abs(v) >= 1000 ? v.toFixed(0)
      : Number(v.toPrecision(3)).toString();
  switch (unit) {
    case "percentunit": return short(100 * value) + " %";
    case "s": return value > 0 && value < 1 ? short(1000 * value) + " ms" : short(value) + " s";
    case "bytes": return short(value / 2 ** 20) + " MiB";
    case "Bps": return short(value / 2 ** 10) + " KiB/s";
    case "sci": return value.toExponential(1);
    case "reqps": case "ops": return short(value) + "/s";
    default: return short(value);
  }
}

function element(parent, tag, cls, text) {
  const made = document.createElement(tag);
  if (cls) made.className = cls;
  if (text !== undefined) made.textContent = text;
  parent.appendChild(made);
  return made;
}

function colorOf(steps, value) {
  let color = "green";
  for (const step of steps || []) if (step.value === null || value >= step.value) color = step.color;
  return {green: "#73bf69", orange: "#ff9830", red: "#f2495c"}[color];
}

function drawStat(box, panel) {
  const values = panel.series.length ? panel.series[0].values : [];
  const last = values.length ? values[values.length - 1][1] : null;
  const number = element(box, "div", "number", format(last, panel.unit));
  number.style.color = colorOf(panel.steps, last);
}

// All series on one time axis, with gaps where one has no value.
function aligned(series) {
  const times = [...new Set(series.flatMap((one) => one.values.map(([at]) => at)))].sort((a, b) => a - b);
  const index = new Map(times.map((at, i) => [at, i]));
  return [times, ...series.map((one) => {
    const column = new Array(times.length).fill(null);
    for (const [at, value] of one.values) column[index.get(at)] = value;
    return column;
  })];
}

function drawCurves(box, panel, width, height) {
  const legend = Math.min(panel.series.length, 12) > 4 ? 46 : 24;
  new uPlot({
    width, height: height - legend, legend: {show: true}, cursor: {show: false},
    scales: {x: {time: true}, y: {range: (u, low, high) =>
        [Math.min(panel.least ?? low, low), panel.most ?? (high > 0 ? 1.1 * high : high || 1)]}},
    axes: [{stroke: "#9fa7b3", grid: {stroke: "#25292f"}, font: "10px sans-serif", size: 26},
           {stroke: "#9fa7b3", grid: {stroke: "#25292f"}, font: "10px sans-serif", size: 62,
            values: (u, ticks) => ticks.map((tick) => format(tick, panel.unit))}],
    series: [{}, ...panel.series.map((one, i) => ({
      label: one.name, stroke: COLORS[i % COLORS.length], width: 1.2, points: {show: false},
      fill: COLORS[i % COLORS.length] + "18"}))],
  }, aligned(panel.series), box);
}

function drawHeat(box, panel, width, height) {
  const canvas = element(box, "canvas");
  canvas.width = width;
  canvas.height = height;
  const buckets = panel.series.map((one) => ({le: parseFloat(one.name.replace("+Inf", "Infinity")), one}))
      .sort((a, b) => a.le - b.le);
  const [times, ...columns] = aligned(buckets.map((bucket) => bucket.one));
  const draw = canvas.getContext("2d");
  const left = 60, cell = (width - left) / times.length, line = (height - 20) / buckets.length;
  let most = 0;
  const counts = columns.map((column, b) => column.map((value, t) => {
    const count = Math.max(0, value - (b ? columns[b - 1][t] : 0));
    most = Math.max(most, count);
    return count;
  }));
  draw.font = "10px sans-serif";
  counts.forEach((row, b) => {
    const y = height - 20 - (b + 1) * line;
    draw.fillStyle = "#9fa7b3";
    if (b % 2 === 0) draw.fillText(Number.isFinite(buckets[b].le) ? format(buckets[b].le, panel.unit) : "Inf", 4, y + line);
    row.forEach((count, t) => {
      if (count <= 0 || most === 0) return;
      draw.fillStyle = `rgba(255, 152, 48, ${0.15 + 0.85 * count / most})`;
      draw.fillRect(left + t * cell, y + 1, Math.max(cell - 0.5, 1), line - 1);
    });
  });
}

function drawTable(box, panel) {
  const rows = panel.series.map((one) => one.labels);
  const hidden = new Set(["__name__", "job"]);
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => !hidden.has(name));
  const table = element(box, "table");
  const head = element(table, "tr");
  for (const name of names) element(head, "th", "", name);
  for (const row of rows) {
    const line = element(table, "tr");
    for (const name of names) element(line, "td", "", (row[name] || "").slice(0, 12));
  }
}

const DRAW = {stat: drawStat, timeseries: drawCurves, heatmap: drawHeat, table: drawTable};
element(document.body, "h1", "", BOARD.title);
const grid = element(document.body, "div", "grid");
let bottom = 0;
for (const panel of BOARD.panels) {
  const {x, y, w, h} = panel.place;
  const box = element(grid, "div", panel.type === "row" ? "row" : "panel");
  const width = w * COLUMN - GAP, height = h * ROW - GAP;
  Object.assign(box.style, {left: `${x * COLUMN}px`, top: `${y * ROW}px`, width: `${width}px`,
                            height: `${height}px`});
  element(box, "div", "title", panel.title);
  if (DRAW[panel.type]) DRAW[panel.type](box, panel, width - 12, height - 28);
  bottom = Math.max(bottom, (y + h) * ROW);
}
grid.style.height = `${bottom}px`;
element(document.body, "p", "", BOARD.note);
document.title = "drawn";
