'use strict';
'require baseclass';

/*
 * What the tabs build their pages from. Everything a server or a package said goes through `clean`
 * and into the page as a text node: LuCI's E() takes a bare string for HTML, an array for text.
 */

const titles = {
	usage: _('The request makes no sense'),
	busy: _('Another job is running'),
	offline: _('The upgrade server cannot be reached'),
	clock: _('The clock of the router is wrong'),
	tls: _('The connection to the upgrade server is not secure'),
	server: _('The upgrade server gave an unexpected answer'),
	overloaded: _('The upgrade server has too much to do'),
	unsupported: _('The upgrade server does not support this'),
	packages: _('These packages cannot be had together'),
	build: _('The upgrade server could not build the image'),
	mismatch: _('The upgrade server built something else'),
	memory: _('Not enough memory'),
	storage: _('Not enough space'),
	checksum: _('The download is damaged'),
	signature: _('The signature of the image is not accepted'),
	image: _('The image is not accepted'),
	sysupgrade: _('The router refused to install the image'),
	cancelled: _('Cancelled'),
	internal: _('Something went wrong on the router'),
	absent: _('The upgrade agent is not there'),
	denied: _('Not allowed'),
	unreachable: _('The router does not answer')
};

/* Control characters (a line break and a tab are none here), and marks that turn the direction of writing. */
const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function clean(text) {
	return (text == null) ? '' : String(text).replace(/\r\n/g, '\n').replace(unprintable, '\ufffd');
}

/* On one line, for names and sentences. */
function line(text) {
	return clean(text).replace(/[\n\t]+/g, ' ');
}

function bytes(value) {
	return (value == null) ? '' : '%1024.1mB'.format(value);
}

/* navigator.clipboard exists on https only; a selected text field can be copied everywhere. */
function copy(text, button) {
	const field = E('textarea', { 'class': 'asu-offscreen', 'readonly': '', 'aria-hidden': 'true' });

	field.value = text;
	document.body.appendChild(field);
	field.select();

	const done = document.execCommand('copy');

	document.body.removeChild(field);
	button.textContent = done ? _('Copied') : _('Select the text and copy it by hand');
	button.focus();
}

return baseclass.extend({
	clean: clean,
	line: line,
	bytes: bytes,

	/* The page's few rules that no theme has; the same node everywhere on a page. */
	style: function() {
		return E('link', { 'rel': 'stylesheet', 'href': L.resource('attended-sysupgrade/style.css') });
	},

	date: function(seconds) {
		return seconds > 0 ? new Date(seconds * 1000).toLocaleString() : _('unknown');
	},

	duration: function(seconds) {
		const whole = Math.max(0, Math.floor(seconds));

		return '%d:%02d'.format(Math.floor(whole / 60), whole % 60);
	},

	section: function(title, children) {
		return E('div', { 'class': 'cbi-section asu-section' }, [ E('h3', {}, [ title ]) ].concat(children));
	},

	button: function(label, style, handler, disabled) {
		return E('button', {
			'class': 'btn cbi-button cbi-button-%s'.format(style),
			'type': 'button',
			'click': handler,
			'disabled': disabled || null
		}, [ label ]);
	},

	/* Names and values; a value is a text, a node or a list of both. */
	facts: function(rows) {
		return E('table', { 'class': 'table asu-facts' }, rows.filter(row => row && row[1] != null && row[1] !== '').map(row =>
			E('tr', { 'class': 'tr' }, [
				E('th', { 'class': 'td left', 'scope': 'row' }, [ row[0] ]),
				E('td', { 'class': 'td left' }, [].concat(row[1]))
			])));
	},

	/* A table with headings; on a phone each cell carries its heading (data-title, as LuCI's themes do it). */
	table: function(headings, rows) {
		return E('table', { 'class': 'table asu-table' }, [
			E('tr', { 'class': 'tr table-titles' }, headings.map(heading =>
				E('th', { 'class': 'th', 'scope': 'col' }, [ heading ])))
		].concat(rows.map(row => E('tr', { 'class': 'tr' }, row.map((cell, i) =>
			E('td', { 'class': 'td', 'data-title': headings[i] }, [].concat(cell)))))));
	},

	/* Something to open, with the keyboard as well, and to copy from. */
	fold: function(title, text) {
		const plain = clean(text);
		const button = E('button', { 'class': 'btn cbi-button asu-copy', 'type': 'button' }, [ _('Copy') ]);

		button.addEventListener('click', () => copy(plain, button));

		return E('details', { 'class': 'asu-fold' }, [
			E('summary', {}, [ title ]),
			E('pre', { 'tabindex': '0' }, [ plain ]),
			button
		]);
	},

	notice: function(kind, title, children) {
		return E('div', {
			'class': 'alert-message %s'.format(kind),
			'role': kind == 'success' || kind == 'info' ? 'status' : 'alert'
		}, [ title ? E('h4', {}, [ title ]) : null ].concat(children));
	},

	/**
	 * An error with its sentence first.
	 * error: { kind, message, detail }; extra: nodes below the sentence; request: what was sent, or null.
	 */
	error: function(error, extra, request) {
		const nodes = [ E('p', {}, [ line(error.message) || _('No reason was given.') ]) ].concat(extra || []);

		if (error.detail)
			nodes.push(this.fold(_('What was said exactly'), error.detail));

		if (request)
			nodes.push(this.fold(_('What was asked of the server'), JSON.stringify(request, null, 2)));

		const box = this.notice('warning', titles[error.kind] || _('Something went wrong'), nodes);

		box.setAttribute('data-kind', line(error.kind));

		return box;
	},

	/* Tells a screen reader what happens, once a change and not at each percent. */
	announcer: function() {
		return E('div', { 'class': 'asu-offscreen', 'role': 'status', 'aria-live': 'polite' });
	},

	say: function(announcer, text) {
		if (announcer.textContent != text)
			announcer.textContent = text;
	},

	progressbar: function() {
		return E('div', {
			'class': 'cbi-progressbar',
			'role': 'progressbar',
			'aria-label': _('Progress of this step'),
			'aria-valuemin': '0',
			'aria-valuemax': '100',
			'title': ''
		}, [ E('div', { 'style': 'width:0%' }) ]);
	},

	/* percent: 0 to 100, or null where nobody knows. */
	setProgress: function(bar, percent, text) {
		bar.style.display = percent == null ? 'none' : '';
		bar.setAttribute('title', text);

		if (percent == null) {
			bar.removeAttribute('aria-valuenow');
		} else {
			bar.setAttribute('aria-valuenow', String(percent));
			bar.setAttribute('aria-valuetext', text);
			bar.firstElementChild.style.width = '%d%%'.format(percent);
		}
	}
});
