// Light or dark: the page around decides unless told otherwise.

const prefersDark = window.matchMedia?.('(prefers-color-scheme: dark)');

function themeWanted(theme) {
  if (theme !== 'auto') return theme;
  const jupyter = document.body.dataset.jpThemeLight;
  return jupyter ? (jupyter === 'false' ? 'dark' : 'light') : prefersDark?.matches ? 'dark' : 'light';
}

function whenThemeChanges(dress) {
  prefersDark?.addEventListener('change', dress);
  new MutationObserver(dress).observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light']});
}

// Bokeh hangs its hover tips into the page itself, out of reach of the figure's own style.
const tips = document.getElementById('compactlab-tips') ?? document.head.appendChild(Object.assign(document.createElement('style'), {id: 'compactlab-tips'}));

function wear(host, theme, tokens) {
  for (const token in tokens) host.style.setProperty('--cl-' + token, tokens[token]);
  host.style.setProperty('--cl-scheme', theme);
  tips.textContent = `.bk-Tooltip { font-size: 14px; --tooltip-color: ${tokens.panel}; --tooltip-text: ${tokens.ink}; --tooltip-border: ${tokens.rule}; --tooltip-arrow-color: ${tokens.rule}; --icon-color: ${tokens.ink2}; }`;
}

// Models that Python painted (look.py, Paint) in the colours of a theme.
function repaint(bindings, tokens) {
  for (const [model, attribute, token] of bindings) {
    const old = model[attribute];
    model[attribute] = old !== null && typeof old === 'object' ? {value: tokens[token]} : tokens[token];
  }
}
