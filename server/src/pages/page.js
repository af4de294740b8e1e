'use strict';

/* What the server's pages do by themselves. Without it they do the same when they are loaded again. */

const SEARCH_PAUSE = 250;
const LIVE_PAUSE = 2000;

async function load(address, signal) {
	const answer = await fetch(address, { cache: 'no-store', signal });

	if (answer.status >= 500)
		throw new Error(`HTTP ${answer.status}`);

	return new DOMParser().parseFromString(await answer.text(), 'text/html');
}

/* Takes over what has changed. What stays the same is not read out again, and keeps the focus. */
function renew(page) {
	for (const part of page.querySelectorAll('[data-part]')) {
		const here = document.querySelector(`[data-part="${part.dataset.part}"]`);

		if (here && here.innerHTML != part.innerHTML)
			here.replaceChildren(...part.childNodes);
	}
}

function say(words) {
	document.querySelector('[role=status]').textContent = words;
}

/* Finds devices while their name is being written. */
function search(form) {
	let timer, asked = new AbortController();

	async function find() {
		const address = `/?${new URLSearchParams(new FormData(form))}`;

		asked.abort();
		asked = new AbortController();

		try {
			renew(await load(address, asked.signal));
			history.replaceState(null, '', address);
		}
		catch (error) {
			if (error.name != 'AbortError')
				say('The server does not answer. The next letter asks again.');
		}
	}

	form.addEventListener('input', () => {
		clearTimeout(timer);
		timer = setTimeout(find, SEARCH_PAUSE);
	});
}

/* Brings the parts of a build's page up to date until it has ended. */
async function follow() {
	for (;;) {
		await new Promise(resolve => setTimeout(resolve, LIVE_PAUSE));

		try {
			const page = await load(location.href);

			/* It was forgotten meanwhile. */
			if (!page.querySelector('[data-part]'))
				return location.reload();

			renew(page);
			document.title = page.title;

			if (!page.querySelector('[data-live]'))
				return;
		}
		catch {
			say('The server does not answer. This page keeps asking.');
		}
	}
}

document.querySelectorAll('form[data-search]').forEach(search);
if (document.querySelector('[data-live]'))
	follow();
