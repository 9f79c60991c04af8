// A picture's page: progress, the slider between before and after, the countdown, and asking again.
import { setUpCompare } from './compare.js';
import { forgetLocal, local } from './drop.js';
import { show } from './swap.js';

let events = null;
let ticking = 0;

export function setUpPicture() {
	events?.close();
	events = null;
	clearInterval(ticking);
	const picture = document.getElementById('picture');
	if (!picture) return;
	if (picture.dataset.events) follow(picture);
	else forgetLocal();
	picture.querySelectorAll('[data-compare]').forEach(setUpCompare);
	picture.querySelectorAll('[data-due]').forEach(countDown);
	picture.querySelectorAll('[data-check]').forEach(setUpCheck);
}

// follow shows the page anew as soon as the picture's status is another one.
function follow(picture) {
	const source = new EventSource(picture.dataset.events);
	events = source;
	source.addEventListener('status', (event) => {
		if (JSON.parse(event.data).status === picture.dataset.status) return;
		source.close();
		show(picture.dataset.page, { local }).catch(() => again(picture));
	});
	source.addEventListener('error', () => {
		// While the service is away the browser gives up on the stream; we do not.
		if (source.readyState === EventSource.CLOSED) again(picture);
	});
}

function again(picture) {
	setTimeout(() => {
		if (picture.isConnected) follow(picture);
	}, 3000);
}

// countDown counts by the service's clock, not by the visitor's.
function countDown(left) {
	const ahead = Date.parse(left.dataset.now) - Date.now();
	const due = Date.parse(left.dataset.due);
	const tick = () => {
		const seconds = Math.max(0, Math.round((due - Date.now() - ahead) / 1000));
		left.textContent = seconds > 0 ? `in ${clock(seconds)}` : 'any moment now';
	};
	tick();
	ticking = setInterval(tick, 1000);
}

function clock(seconds) {
	const two = (n) => String(n).padStart(2, '0');
	return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

// setUpCheck asks for a deleted cutout, for everybody to see what is answered.
function setUpCheck(button) {
	button.addEventListener('click', async () => {
		const out = document.querySelector('.check-answer');
		out.textContent = 'Asking…';
		try {
			const answer = await fetch(button.dataset.check);
			const what = answer.ok ? { title: 'It is still there. That should not be.' } : await answer.json();
			out.textContent = `The service answers ${answer.status}: “${what.title}”`;
		} catch {
			out.textContent = 'The service cannot be reached. Try again.';
		}
	});
}
