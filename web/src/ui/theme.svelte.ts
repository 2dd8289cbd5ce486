/**
 * Light, dark, or as the system says.
 *
 * @module
 */

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'keepsake-theme';

function remembered(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

class ThemeChoice {
  value = $state<Theme>(remembered());

  constructor() {
    this.#apply();
  }

  choose(theme: Theme): void {
    this.value = theme;
    this.#apply();
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // It holds until the page is closed.
    }
  }

  #apply(): void {
    if (this.value === 'system') {
      delete document.documentElement.dataset['theme'];
    } else {
      document.documentElement.dataset['theme'] = this.value;
    }
  }
}

export const theme = new ThemeChoice();
