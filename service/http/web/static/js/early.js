// Before the first paint, so that the page never flashes in the wrong colours, nor with a closed introduction.
for (const name of ["theme", "intro"]) {
  const value = localStorage.getItem(`acorn-${name}`);
  if (value) document.documentElement.dataset[name] = value;
}
