'use strict';
'require baseclass';
'require uci';
'require attended-sysupgrade.api as api';
'require attended-sysupgrade.widgets as widgets';

/*
 * A line on the status page, for who wants one (option login_notice). It shows what the agent knows already;
 * neither this page nor the call behind it contacts a server.
 */

const styles = { 'upgrade-available': 'info', 'upgraded': 'success', 'upgrade-failed': 'warning' };

return baseclass.extend({
	title: _('Attended Sysupgrade'),

	load: function() {
		return L.resolveDefault(uci.load('attendedsysupgrade'), null).then(() => {
			if (uci.get('attendedsysupgrade', 'agent', 'login_notice') != '1')
				return null;

			return api.status().then(status => status.notice, () => null);
		});
	},

	/* null hides the section; once it was shown, it can only become empty. */
	render: function(notice) {
		if (!notice)
			return this.shown ? E('p', {}, [ _('Nothing to report.') ]) : null;

		this.shown = true;

		return widgets.notice(styles[notice.kind] || 'info', null, [
			E('p', {}, [ widgets.line(notice.text) ]),
			E('p', {}, [
				E('a', { 'href': L.url('admin/system/attended-sysupgrade/overview') }, [ _('Show details') ]),
				' (%s)'.format(widgets.date(notice.since))
			])
		]);
	}
});
