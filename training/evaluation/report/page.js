"use strict";
// Draws every chart, and again where colours change; tells the charts which target was chosen.
{
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const charts = read("charts");
  const datasets = read("datasets");
  const select = document.getElementById("target");
  const close = document.getElementById("close");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const views = new Map();

  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue("--text").trim();
    const line = style.getPropertyValue("--line").trim();
    const font = "system-ui, 'DejaVu Sans', sans-serif";
    return {
      background: "transparent",
      font,
      view: { stroke: line },
      rule: { color: text },
      axis: { labelColor: text, titleColor: text, gridColor: line, domainColor: line, tickColor: line,
        gridOpacity: 0.7, titleFontWeight: "normal", labelFontSize: 11, titleFontSize: 12 },
      legend: { labelColor: text, titleColor: text, titleFontWeight: "normal", labelFontSize: 11,
        titleFontSize: 12, symbolOpacity: 1, orient: "top" },
    };
  };

  const used = (spec) => {
    const names = new Set();
    JSON.stringify(spec, (key, value) => {
      if (key === "data" && value && value.name) names.add(value.name);
      return value;
    });
    const ours = [...names].filter((name) => name in datasets);
    return Object.fromEntries(ours.map((name) => [name, datasets[name]]));
  };

  const choose = async (view) => {
    const set = (name, value) => {
      try { view.signal(name, value); } catch { /* this chart does not follow it */ }
    };
    set("target", Number(select.value));
    set("close", close.checked);
    await view.runAsync();
  };

  const draw = async () => {
    for (const place of document.querySelectorAll("[data-chart]")) {
      const spec = { ...charts[place.dataset.chart] };
      delete spec.$schema;
      spec.datasets = { ...used(spec), ...spec.datasets };
      spec.config = { ...spec.config, ...colours() };
      views.get(place)?.finalize();
      const result = await vegaEmbed(place, spec, {
        renderer: "svg",
        actions: { export: true, source: false, compiled: false, editor: false },
        downloadFileName: `${document.body.dataset.forest}-${place.dataset.chart}`,
      });
      views.set(place, result);
      await choose(result.view);
    }
  };

  const again = () => {
    document.querySelectorAll("[data-target-name]").forEach((place) => {
      place.textContent = select.selectedOptions[0].textContent;
    });
    const pair = read("pairs")[Number(select.value)];
    document.querySelectorAll("[data-pair-name]").forEach((place) => {
      if (pair) place.textContent = select.options[pair[place.dataset.pairName]].textContent;
    });
    document.querySelectorAll("[data-only-with]").forEach((place) => {
      const rows = datasets[place.dataset.onlyWith];
      place.hidden = !rows.some((row) => row.target === Number(select.value));
      place.nextElementSibling.hidden = !place.hidden;
    });
    document.querySelectorAll("[data-only-for]").forEach((place) => {
      place.hidden = !place.dataset.onlyFor.split(" ").includes(select.value);
    });
    window.dispatchEvent(new Event("resize")); // what was hidden had no width
    views.forEach(({ view }) => choose(view));
  };

  select.addEventListener("change", again);
  close.addEventListener("change", again);
  dark.addEventListener("change", draw);
  again();
  draw();
}
