/**
 * Where the gallery starts. Kept small: everything that calls the vault is loaded after the first paint.
 *
 * @module
 */

import { mount } from 'svelte';

import App from './App.svelte';
import './ui/tokens.css';
import { session } from './session/session.svelte.ts';

const target = document.getElementById('app');
if (target) {
  mount(App, { target });
  void session.start();
}
