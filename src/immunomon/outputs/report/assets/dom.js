// Elements, numbers and tips. Text always enters as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

const darkPage = window.matchMedia("screen and (prefers-color-scheme: dark)");
const shade = () => (darkPage.matches ? "dark" : "light");

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "tip") attachTip(element, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function select(label, options, value, onchange) {
  const chosen = el("select", { onchange: (event) => onchange(event.target.value) });
  const add = (parent, [key, text]) => parent.append(el("option", { value: key, selected: key === value }, text));
  for (const option of options) {
    if (option.options) {
      const group = el("optgroup", { label: option.label });
      option.options.forEach((one) => add(group, one));
      chosen.append(group);
    } else add(chosen, option);
  }
  return el("label", { class: "field" }, el("span", {}, label), chosen);
}

// Three significant digits, never an exponent; whole numbers keep their digits.
function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "";
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(8, Math.max(0, digits - 1 - size))).replace("-", "−");
}

const whole = (value) => (value === null || value === undefined ? "" : String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f"));

const tipBox = document.getElementById("tip");

function showTip(lines, x, y) {
  tipBox.replaceChildren(...lines.map((line, i) => el(i ? "div" : "b", {}, line)));
  tipBox.hidden = false;
  const { width, height } = tipBox.getBoundingClientRect();
  tipBox.style.left = `${Math.max(4, Math.min(x + 14, window.innerWidth - width - 8))}px`;
  tipBox.style.top = `${y + 18 + height > window.innerHeight ? Math.max(4, y - height - 10) : y + 18}px`;
}

const hideTip = () => { tipBox.hidden = true; };

function attachTip(element, lines) {
  const say = () => (typeof lines === "function" ? lines() : lines);
  element.addEventListener("mousemove", (event) => showTip(say(), event.clientX, event.clientY));
  element.addEventListener("mouseleave", hideTip);
  element.addEventListener("focus", () => {
    const box = element.getBoundingClientRect();
    showTip(say(), box.right, box.top);
  });
  element.addEventListener("blur", hideTip);
}

const ruler = document.createElement("canvas").getContext("2d");

function textWidth(text, size = 11, weight = 400) {
  ruler.font = `${weight} ${size}px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif`;
  return ruler.measureText(text).width;
}
