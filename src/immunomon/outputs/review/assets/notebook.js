// The gallery on its own, as a notebook shows it: nothing is asked for, and nothing is decided.

async function choose(population) {
  desk.population = population;
  desk.entries = PAGE.galleries[population].map((entry) => ({ ...entry, plot: entry.plot === null ? null : PAGE.plots[entry.plot] }));
  desk.chosen = -1;
  showGallery();
}

async function choosePanel() { await choose(desk.population); }

async function openSample(sampleId) {
  const entry = desk.entries.find((other) => other.sample_id === sampleId);
  say([nameOf(entry), ...entry.reasons].join("; "), true);
}

darkPage.addEventListener("change", () => showGallery());
desk.overview = PAGE.overview;
desk.panel = PAGE.overview.panels[0].name;
byId("study").textContent = PAGE.overview.study;
byId("progress").textContent = PAGE.overview.words;
act(() => choose(PAGE.population));
