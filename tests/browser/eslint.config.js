/* The rules under which LuCI's own views stand. */

import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import js from '@eslint/js';
import json from '@eslint/json';

const luci = [ '_', 'N_', 'L', 'E', 'baseclass', 'dom', 'form', 'poll', 'request', 'rpc', 'uci', 'ui', 'view' ];

export default defineConfig([
	globalIgnores([ 'node_modules', '**/node_modules' ]),
	{
		files: [ '**/*.json' ],
		ignores: [ '**/package-lock.json' ],
		plugins: { json },
		language: 'json/json',
		extends: [ 'json/recommended' ],
		rules: { 'json/no-duplicate-keys': 'error' }
	},
	{
		files: [ '**/*.js' ],
		plugins: { js },
		extends: [ 'js/recommended' ],
		languageOptions: {
			sourceType: 'script',
			ecmaVersion: 2026,
			globals: { ...globals.browser, ...Object.fromEntries(luci.map(name => [ name, 'readonly' ])) },
			parserOptions: { ecmaFeatures: { globalReturn: true } }
		},
		rules: {
			'strict': 0, 'no-prototype-builtins': 0, 'no-empty': 0, 'no-regex-spaces': 0, 'no-control-regex': 0,
			/* Stricter than LuCI: a module's name comes from its 'require' line, which eslint does not know. */
			'no-undef': 'off',
			'no-unused-vars': 'off'
		}
	},
	{
		files: [ 'tests/browser/**/*.js' ],
		languageOptions: { sourceType: 'module', globals: { ...globals.node } }
	}
]);
