'use strict';
'require baseclass';
'require attended-sysupgrade.widgets as widgets';

/* A job under way: its phases as steps, and whatever is known of the present one. */

const steps = [
	[ 'checking', _('Look') ],
	[ 'requesting', _('Request') ],
	[ 'queued', _('Queue') ],
	[ 'building', _('Build') ],
	[ 'downloading', _('Download') ],
	[ 'verifying', _('Verify') ],
	[ 'ready', _('Ready') ]
];

const sentences = {
	checking: _('The router looks at what the upgrade server has.'),
	requesting: _('The router asks the upgrade server for an image.'),
	queued: _('The upgrade server has other builds to do first.'),
	building: _('The upgrade server builds the image.'),
	downloading: _('The router downloads the image.'),
	uploading: _('This browser uploads the image to the router.'),
	verifying: _('The router makes sure of the image.'),
	ready: _('The image is ready.'),
	flashing: _('The router is being flashed.')
};

/* The server's own word for its step, where we know what it means. */
const serverSteps = {
	init: _('preparing'),
	container_setup: _('setting up the build environment'),
	validate_revision: _('checking the version'),
	validate_manifest: _('checking the packages'),
	building_image: _('building the image'),
	calculate_packages_hash: _('calculating the packages'),
	signing_images: _('signing the image')
};

return baseclass.extend({
	sentence: function(phase) {
		return sentences[phase] || _('The router reports a step this page does not know: %s').format(widgets.line(phase));
	},

	/**
	 * Makes the nodes for a job; `show(job, now)` fills them, as often as there is something new.
	 * cancel: what the button does, or null where nobody may; advice: what to do with this page meanwhile.
	 */
	create: function(cancel, advice) {
		const list = E('ol', { 'class': 'asu-steps' }, steps.map(step => E('li', { 'data-step': step[0] }, [ step[1] ])));
		const sentence = E('p', { 'data-part': 'sentence' });
		const bar = widgets.progressbar();
		const facts = E('div', { 'data-part': 'facts' });
		const announcer = widgets.announcer();

		const node = widgets.section(_('Upgrade under way'), [
			list, sentence, bar, facts, announcer,
			E('p', {}, [ advice || _('You may close this page: the router goes on, and this page shows where it is when you come back.') ]),
			E('div', { 'class': 'asu-actions' }, [
				cancel ? widgets.button(_('Cancel'), 'negative', cancel) : null
			])
		]);

		node.setAttribute('data-screen', 'job');

		return {
			node: node,

			show: (job, now) => {
				const at = steps.findIndex(step => step[0] == (job.phase == 'uploading' ? 'downloading' : job.phase));

				list.querySelectorAll('li').forEach((item, i) => {
					item.setAttribute('data-state', i < at ? 'done' : (i == at ? 'now' : 'later'));

					if (i == at)
						item.setAttribute('aria-current', 'step');
					else
						item.removeAttribute('aria-current');
				});

				const text = this.sentence(job.phase);
				const detail = serverSteps[job.detail] || widgets.line(job.detail);

				sentence.textContent = detail ? '%s (%s)'.format(text, detail) : text;
				widgets.setProgress(bar, job.percent, this.amount(job));
				widgets.say(announcer, text);

				facts.replaceChildren(widgets.facts([
					[ _('Version'), widgets.line(job.version) ],
					[ _('Upgrade server'), widgets.line(job.server) ],
					[ _('Builds before this one'), job.queue_position == null ? null : '%d'.format(job.queue_position) ],
					[ _('Received'), this.amount(job) ],
					[ _('Time'), widgets.duration(now - job.started) ],
					[ _('Request'), widgets.line(job.request_hash) ]
				]));
			}
		};
	},

	/* `3.2 MB of 7.0 MB` */
	amount: function(job) {
		if (job.bytes == null)
			return job.percent == null ? '' : '%d%%'.format(job.percent);

		return job.bytes_total == null
			? widgets.bytes(job.bytes)
			: _('%s of %s').format(widgets.bytes(job.bytes), widgets.bytes(job.bytes_total));
	}
});
