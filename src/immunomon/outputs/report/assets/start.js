// The page starts: tabs, keys, colours; errors are shown, not swallowed.

function paintChips() {
  for (const chip of document.querySelectorAll(".chip[data-group]")) chip.style.background = groupColour(chip.dataset.group);
}

function showError(message) {
  document.documentElement.dataset.error = message;
  document.querySelector("main").prepend(el("p", { class: "notice failed", role: "alert" }, `This page has a fault: ${message}`));
}

window.addEventListener("error", (event) => showError(event.message));

const typing = (event) => /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey;
const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
  const by = STEPS[event.key];
  if (!by || typing(event)) return;
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const place = tabs.indexOf(event.target);
  if (place >= 0) {
    const next = tabs[(place + by + tabs.length) % tabs.length];
    setState({ tab: next.id.replace("tab-", "") });
    next.focus();
  } else if (readState().tab === "samples") stepSample(by);
  else return;
  event.preventDefault();
});

// A tab keeps what was chosen elsewhere; a link to a sample drops the filters that would hide it.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (!link) return;
  event.preventDefault();
  const wanted = Object.fromEntries(new URLSearchParams(link.getAttribute("href").slice(1)));
  const choosesSamples = wanted.tab === "samples" && Object.keys(wanted).length > 1;
  const filters = choosesSamples ? Object.fromEntries([...FILTERS.map(([key]) => key), "find", "sample"].map((key) => [key, ""])) : {};
  window.history.pushState(null, "", linkTo({ ...readState(), ...filters, ...wanted }));
  showState();
  if (wanted.sample || link.classList.contains("skip")) document.querySelector("main").scrollIntoView();
});

function refresh() {
  paintChips();
  showState();
}

window.addEventListener("hashchange", showState);
window.addEventListener("popstate", showState);
let resizing = 0;
window.addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => { if (["trajectories", "samples"].includes(readState().tab)) showState(); }, 150);
});
darkPage.addEventListener("change", refresh);
refresh();
document.documentElement.dataset.ready = "yes";
