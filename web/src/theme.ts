// Dark, light, or whatever the system prefers. The choice is kept in the browser where it may be.

export type Theme = 'dark' | 'light';

const KEY = 'finpipe-theme';
const preference = matchMedia('(prefers-color-scheme: light)');

function chosen(): Theme | undefined {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'dark' || value === 'light' ? value : undefined;
  } catch {
    return undefined;
  }
}

function choose(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Not kept, then: storage is off in this browser.
  }
}

export function startTheme(toggle: HTMLButtonElement, onChange: () => void): void {
  let choice = chosen();
  const current = (): Theme => choice ?? (preference.matches ? 'light' : 'dark');
  const apply = () => {
    document.documentElement.dataset.theme = current();
    toggle.setAttribute('aria-label', `Switch to ${current() === 'dark' ? 'light' : 'dark'} colours`);
    onChange();
  };
  toggle.addEventListener('click', () => {
    choice = current() === 'dark' ? 'light' : 'dark';
    choose(choice);
    apply();
  });
  preference.addEventListener('change', apply);
  apply();
}
