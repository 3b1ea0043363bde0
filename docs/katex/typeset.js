// Typesets what pymdownx.arithmatex has marked: \(…\) in lines, \[…\] as blocks of their own.
document.querySelectorAll(".arithmatex").forEach((place) => {
  const [, opening, formula] = place.textContent.trim().match(/^\\([([])([^]*)\\[)\]]$/) || [];
  if (formula) katex.render(formula, place, { displayMode: opening === "[", throwOnError: false });
});
