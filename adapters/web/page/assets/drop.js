// The home page: drop, paste or choose a photo, and see how far its sending is.
import { show } from './swap.js';

const form = () => document.getElementById('drop');

/** The visitor's own photo, as long as its page is shown. */
export let local = '';

/** Lets go of it once it is deleted. */
export function forgetLocal() {
	if (local) URL.revokeObjectURL(local);
	local = '';
}

let sending = null;

export function setUpDrop() {
	const drop = form();
	if (!drop) return;
	const input = drop.querySelector('input[type=file]');
	input.addEventListener('change', () => send(input.files[0]));
	drop.querySelector('.scene').addEventListener('click', () => input.click());
	drop.querySelector('[data-cancel]').addEventListener('click', () => sending?.abort());
}

// The whole window takes a photo, so that nobody has to aim.
document.addEventListener('dragover', (event) => {
	if (!form()) return;
	event.preventDefault();
	form().classList.add('over');
});
document.addEventListener('dragleave', (event) => {
	if (!event.relatedTarget) form()?.classList.remove('over');
});
document.addEventListener('drop', (event) => {
	if (!form()) return;
	event.preventDefault();
	form().classList.remove('over');
	take(event.dataTransfer.files);
});
document.addEventListener('paste', (event) => {
	if (form() && event.clipboardData.files.length > 0) take(event.clipboardData.files);
});

function take(files) {
	if (files.length > 1) {
		problem({ title: 'That is more than one photo.', detail: 'Send one at a time.' });
		return;
	}
	send(files[0]);
}

function send(file) {
	const drop = form();
	if (!file || !drop || sending) return;
	if (file.size > Number(drop.dataset.maxBytes)) {
		problem({ title: 'This photo is too large.', detail: 'Save it smaller or with more compression, and try again.' });
		return;
	}
	forgetLocal();
	local = URL.createObjectURL(file);
	begin(drop, local);

	const body = new FormData();
	body.append('image', file);
	sending = new XMLHttpRequest();
	sending.open('POST', '/v1/images');
	sending.responseType = 'json';
	const bar = drop.querySelector('progress');
	sending.upload.addEventListener('progress', (event) => {
		if (event.lengthComputable) bar.value = (100 * event.loaded) / event.total;
	});
	sending.addEventListener('load', () => arrived(sending.status, sending.response));
	sending.addEventListener('error', () => problem({ title: 'The connection broke.', detail: 'Check it, and try again.' }));
	sending.addEventListener('abort', () => problem(null));
	sending.send(body);
}

function begin(drop, photo) {
	drop.querySelector('.problem').hidden = true;
	const box = drop.querySelector('.sending');
	const img = box.querySelector('img');
	img.hidden = false;
	img.addEventListener('error', () => { img.hidden = true; }, { once: true });
	img.src = photo;
	box.querySelector('progress').value = 0;
	box.hidden = false;
	drop.classList.add('busy');
	box.querySelector('[data-cancel]').focus();
}

function arrived(status, answer) {
	sending = null;
	if (status === 202) {
		show(answer.links.page, { local }).catch(() => location.assign(answer.links.page));
		return;
	}
	problem(answer ?? { title: 'Something went wrong.', detail: 'Try again in a few seconds.' });
}

// problem ends the sending and says why; null is the visitor's own wish.
function problem(why) {
	sending = null;
	const drop = form();
	drop.classList.remove('busy');
	drop.querySelector('.sending').hidden = true;
	const input = drop.querySelector('input[type=file]');
	input.value = '';
	input.focus();
	const box = drop.querySelector('.problem');
	box.hidden = why === null;
	box.replaceChildren();
	if (!why) return;
	const title = document.createElement('strong');
	title.textContent = why.title;
	box.append(title, ' ' + why.detail);
}
