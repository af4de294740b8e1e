'use strict';

/*
 * A stand-in for LuCI's loader, as much of it as the views of this repository use and no more: what works here
 * has to work in LuCI. Where LuCI is dangerous, so is this: a bare string given to E() for children is HTML.
 */

(function() {
	/* Printf as LuCI's views know it: %s %d %02d %h %x %.nf %1024.nmB and %%. */
	String.prototype.format = function(...args) {
		let next = 0;

		return this.replace(/%(?:0(\d))?(1000|1024)?(?:\.(\d+))?([sdhxfm%])/g, (all, width, base, precision, type) => {
			if (type == '%')
				return '%';

			const value = args[next++];

			switch (type) {
			case 's':
				return value;
			case 'd':
				return String(Math.floor(+value || 0)).padStart(+(width || 0), '0');
			case 'x':
				return Math.floor(+value || 0).toString(16);
			case 'h':
				return String(value).replace(/[&<>"']/g, c => '&#%d;'.format(c.charCodeAt(0)));
			case 'f':
				return precision == null ? String(+value || 0) : (+value || 0).toFixed(+precision);
			case 'm':
				return metric(+value || 0, +(base || 1000), +(precision || 2));
			}
		});
	};

	function metric(value, base, precision) {
		const units = [ '', base == 1024 ? 'Ki' : 'K', base == 1024 ? 'Mi' : 'M', base == 1024 ? 'Gi' : 'G' ];
		let i = 0;

		for (; value >= base && i < units.length - 1; i++)
			value /= base;

		return '%s %s'.format(i ? value.toFixed(precision) : String(value), units[i]);
	}

	/* Translations: source text (the singular, for plurals) → list of forms; with them the rule for plurals. */
	const language = window.STANDIN.translation;

	window._ = text => (language && language.texts[text] && language.texts[text][0]) || text;
	window.N_ = (n, singular, plural) => {
		const form = n != 1 ? 1 : 0;

		return (language && language.texts[singular] && language.texts[singular][form]) || (form ? plural : singular);
	};

	/* Classes: extend() and one instance a module. */
	function Class() {}

	Class.extend = function(properties) {
		const parent = this;
		const Child = function(...args) {
			if (this.__init__)
				this.__init__(...args);
		};

		Child.prototype = Object.create(parent.prototype);
		Child.prototype.constructor = Child;
		Child.extend = Class.extend;
		Object.assign(Child.prototype, properties);

		return Child;
	};

	const dom = {
		elem: it => it != null && typeof(it) == 'object' && 'nodeType' in it,

		append(node, children) {
			if (Array.isArray(children)) {
				for (const child of children)
					if (this.elem(child))
						node.appendChild(child);
					else if (child != null)
						node.appendChild(document.createTextNode(String(child)));
			} else if (this.elem(children)) {
				node.appendChild(children);
			} else if (children != null) {
				node.innerHTML = String(children);
			}

			return node.lastChild;
		},

		content(node, children) {
			while (node.firstChild)
				node.removeChild(node.firstChild);

			return this.append(node, children);
		},

		create(name, attributes, children) {
			if (!(attributes instanceof Object) || Array.isArray(attributes)) {
				children = attributes;
				attributes = null;
			}

			if (Array.isArray(name)) {
				const all = document.createDocumentFragment();

				for (const part of name)
					all.appendChild(this.create(part));

				return all;
			}

			const node = this.elem(name) ? name : document.createElement(name);

			for (const key in attributes) {
				const value = attributes[key];

				if (typeof(value) == 'function')
					node.addEventListener(key, value);
				else if (value != null)
					node.setAttribute(key, typeof(value) == 'object' ? JSON.stringify(value) : value);
			}

			this.append(node, children);

			return node;
		}
	};

	window.E = (...args) => dom.create(...args);

	/* Form maps find their nodes by this. */
	const instances = new WeakMap();

	dom.bindClassInstance = (node, instance) => { instances.set(node, instance); };
	dom.findClassInstance = node => instances.get(node);

	const poll = {
		queue: [],
		tick: 0,
		timer: null,

		add(fn, interval) {
			this.queue.push({ fn: fn, interval: interval || L.env.pollinterval, idle: true });
			this.start();

			return true;
		},

		remove(fn) {
			this.queue = this.queue.filter(entry => entry.fn !== fn);

			return true;
		},

		start() {
			if (this.timer == null)
				this.timer = window.setInterval(() => this.step(), 1000);
		},

		stop() {
			window.clearInterval(this.timer);
			this.timer = null;
		},

		active() {
			return this.timer != null;
		},

		step() {
			for (const entry of this.queue) {
				if (!entry.idle || this.tick % entry.interval)
					continue;

				entry.idle = false;
				Promise.resolve(entry.fn()).finally(() => { entry.idle = true; });
			}

			this.tick++;
		}
	};

	class Response {
		constructor(xhr) {
			this.status = xhr.status;
			this.statusText = xhr.statusText;
			this.ok = xhr.status >= 200 && xhr.status <= 299;
			this.body = xhr.responseText;
		}

		json() {
			return JSON.parse(this.body);
		}

		text() {
			return this.body;
		}
	}

	const request = {
		send(method, url, content, options) {
			const it = Object.assign({ timeout: 20000 }, options);

			return new Promise((resolve, reject) => {
				const xhr = new XMLHttpRequest();

				xhr.open(method, url);
				xhr.timeout = it.timeout;
				xhr.onload = () => resolve(new Response(xhr));
				xhr.onerror = () => reject(new Error('XHR request aborted by browser'));
				xhr.ontimeout = () => reject(new Error('XHR request timed out'));

				if (it.progress)
					xhr.upload.addEventListener('progress', it.progress);

				if (content != null && !(content instanceof FormData)) {
					xhr.setRequestHeader('Content-Type', 'application/json');
					content = JSON.stringify(content);
				}

				xhr.send(content);
			});
		},

		get(url, options) {
			return this.send('GET', url, null, options);
		},

		post(url, content, options) {
			return this.send('POST', url, content, options);
		}
	};

	const View = Class.extend({
		__init__() {
			const place = document.getElementById('view');

			dom.content(place, E('div', { 'class': 'spinning' }, _('Loading view…')));

			return Promise.resolve(this.load()).then(data => this.render(data)).then(nodes => {
				dom.content(place, nodes);
				dom.append(place, this.addFooter());
			}).catch(error => L.error(error));
		},

		load() {},
		render() {},

		maps(method) {
			return Promise.all(Array.from(document.querySelectorAll('#view .cbi-map'))
				.map(node => dom.findClassInstance(node)).filter(map => map).map(map => map[method]()));
		},

		handleSave() {
			return this.maps('save');
		},

		handleReset() {
			return this.maps('reset');
		},

		handleSaveApply(ev, mode) {
			return this.handleSave(ev).then(() => L.ui.changes.apply(mode == '0'));
		},

		addFooter() {
			if (!this.handleSaveApply && !this.handleSave && !this.handleReset)
				return E([]);

			const readonly = !L.hasViewPermission();
			const button = (name, style, handler) => E('button', {
				'class': 'btn cbi-button cbi-button-%s'.format(style),
				'click': L.ui.createHandlerFn(this, handler, '0'),
				'disabled': readonly || null
			}, [ name ]);

			return E('div', { 'class': 'cbi-page-actions' }, [
				button(_('Save & Apply'), 'apply', 'handleSaveApply'), ' ',
				button(_('Save'), 'save', (mode, ev) => this.handleSave(ev)), ' ',
				button(_('Reset'), 'reset', (mode, ev) => this.handleReset(ev))
			]);
		}
	});

	const builtin = { baseclass: Class, dom: dom, poll: poll, request: request, view: View };
	const loaded = {};

	window.L = {
		env: window.STANDIN.env,

		isObject: it => it != null && typeof(it) == 'object',
		toArray: it => it == null ? [] : (Array.isArray(it) ? it : String(it).trim().split(/\s+/).filter(s => s.length)),
		resolveDefault: (value, other) => Promise.resolve(value).catch(() => other),
		resource: (...parts) => [ L.env.resource ].concat(parts).join('/'),
		url: (...parts) => [ L.env.scriptname ].concat(parts).join('/'),

		hasViewPermission() {
			return L.env.nodespec.satisfied ? !L.env.nodespec.readonly : null;
		},

		raise(type, text, ...args) {
			const error = new Error(args.length ? text.format(...args) : text);

			error.name = type;

			throw error;
		},

		error(error) {
			console.error(error);
			dom.append(document.getElementById('view'), [
				E('pre', { 'class': 'alert-message error', 'data-part': 'loader-error' }, [ String(error && error.stack || error) ])
			]);
		},

		/* A module's file begins with its 'require x as y' lines; the rest is the body of a function. */
		require(name) {
			if (builtin[name])
				return Promise.resolve(builtin[name]);

			if (!loaded[name])
				loaded[name] = this.load(name);

			return loaded[name];
		},

		load(name) {
			const url = L.resource(name.replace(/\./g, '/') + '.js');

			return window.fetch(url).then(answer => {
				if (!answer.ok)
					L.raise('NetworkError', 'HTTP error %d while loading class file "%s"', answer.status, url);

				return answer.text();
			}).then(source => {
				const names = [], modules = [];

				for (const m of source.matchAll(/^'require (\S+?)(?: as (\S+))?';$/gm)) {
					names.push(m[2] || m[1].replace(/[^a-zA-Z0-9_]/g, '_'));
					modules.push(L.require(m[1]));
				}

				return Promise.all(modules).then(ready => {
					const Module = (0, eval)('(function(window, document, L%s) { %s })\n//# sourceURL=%s\n'.format(
						names.map(n => ', ' + n).join(''), source, url))(window, document, L, ...ready);

					if (!(Module && Module.prototype instanceof Class))
						L.raise('TypeError', '"%s" factory yields invalid constructor', name);

					const instance = new Module();

					if (name == 'ui' || name == 'rpc')
						L[name] = instance;

					return instance;
				});
			});
		}
	};

	document.addEventListener('DOMContentLoaded', () => {
		Promise.all([ L.require('ui'), L.require('rpc') ])
			.then(() => L.require('view.%s'.format(window.STANDIN.view.replace(/\//g, '.'))))
			.catch(error => L.error(error));
	});
})();
