'use strict';
'require baseclass';
'require dom';
'require poll';

const overlay = E('div', { 'id': 'modal_overlay', 'tabindex': '-1' }, [ E('div', { 'class': 'modal', 'role': 'dialog', 'aria-modal': 'true' }) ]);

document.body.appendChild(overlay);

return baseclass.extend({
	showModal: function(title, children, ...classes) {
		const dialog = overlay.firstElementChild;

		dialog.setAttribute('class', [ 'modal' ].concat(classes).join(' '));
		dom.content(dialog, dom.create('h4', {}, title));
		dom.append(dialog, children);
		document.body.classList.add('modal-overlay-active');
		overlay.focus();

		return dialog;
	},

	hideModal: function() {
		document.body.classList.remove('modal-overlay-active');
	},

	createHandlerFn: function(context, fn, ...args) {
		const handler = typeof(fn) == 'string' ? context[fn] : fn;

		return function(ev) {
			const button = ev.currentTarget;

			button.classList.add('spinning');
			button.disabled = true;
			button.blur();

			Promise.resolve(handler.call(context, ...args, ev)).finally(() => {
				button.classList.remove('spinning');
				button.disabled = false;
			});
		};
	},

	/* Resolves where the host serves a picture of LuCI's within a second. */
	pingDevice: function(scheme, host) {
		return new Promise((resolve, reject) => {
			const image = new Image();
			const timer = window.setTimeout(reject, 1000);

			image.onload = ev => { window.clearTimeout(timer); resolve(ev); };
			image.onerror = ev => { window.clearTimeout(timer); reject(ev); };
			image.src = '%s://%s%s?%s'.format(scheme, host, L.resource('icons/loading.svg'), Math.random());
		});
	},

	changes: {
		/* What LuCI's Save & Apply does with the router, without its dialogs. */
		apply: function() {
			return L.require('uci').then(uci => uci.apply());
		}
	}
});
