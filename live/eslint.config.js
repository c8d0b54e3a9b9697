import js from '@eslint/js';
import globals from 'globals';

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: 'module', globals: { ...globals.browser, ...globals.worker } },
    rules: { 'prefer-const': 'error', eqeqeq: 'error', 'no-var': 'error', 'max-len': ['error', 120] },
  },
  { files: ['*.js', 'test/*.js'], languageOptions: { globals: globals.node } },
];
