// Dresses the figure as the page around it is. Runs once per opened document.

const {theme, themes} = settings;
let worn = 'light';

function dress() {
  const host = root.document.views_manager.find_one(root)?.el;
  if (!host) return;
  const wanted = themeWanted(theme), tokens = themes[wanted];
  wear(host, wanted, tokens);
  if (wanted !== worn) { worn = wanted; repaint(bindings, tokens); }
}

for (const {canvas_view} of root.document.views_manager.query((view) => view.canvas_view)) canvas_view.events_el.tabIndex = -1;
whenThemeChanges(dress);
dress();
