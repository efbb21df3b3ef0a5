// Before the page is drawn: light or dark, as chosen on an earlier page or as the system has it.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const read = () => {
    try {
      return localStorage.getItem("seeing-sound-theme") ?? "auto";
    } catch {
      return "auto"; // a browser may keep nothing for files
    }
  };

  const apply = (wanted) => {
    const isDark = wanted === "auto" ? dark.matches : wanted === "dark";
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    // the explorers follow JupyterLab's mark of a theme
    if (document.body) document.body.dataset.jpThemeLight = String(!isDark);
    for (const button of document.querySelectorAll("[data-theme-button]")) button.textContent = `Theme: ${wanted}`;
  };

  const next = () => {
    const order = ["auto", "light", "dark"];
    const wanted = order[(order.indexOf(read()) + 1) % order.length];
    try {
      localStorage.setItem("seeing-sound-theme", wanted);
    } catch {
      // then it holds for this page only
    }
    apply(wanted);
  };

  apply(read());
  dark.addEventListener("change", () => apply(read()));
  document.addEventListener("DOMContentLoaded", () => {
    apply(read());
    for (const button of document.querySelectorAll("[data-theme-button]")) button.addEventListener("click", next);
  });
})();
