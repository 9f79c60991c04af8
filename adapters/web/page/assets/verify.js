// Checks receipts, here: the program that bgverify is, compiled to WebAssembly. It is loaded with the
// page, so that from then on nothing is asked of anybody.

export async function setUpVerify() {
	const box = document.querySelector('[data-verify]');
	if (!box || box.dataset.state) return;
	box.dataset.state = 'loading';
	try {
		await load(box);
	} catch (error) {
		box.dataset.state = 'broken';
		conclude(box, 'fails', `The check cannot be loaded here: ${error.message}. Use the command bgverify.`);
		return;
	}
	box.querySelector('#receipt').disabled = false;
	box.dataset.state = 'ready';
	const form = box.querySelector('[data-form]');
	form.addEventListener('change', () => check(box));
	form.addEventListener('submit', (event) => { event.preventDefault(); check(box); });
}

addEventListener('dragover', (event) => {
	if (document.querySelector('[data-verify]')) event.preventDefault();
});
addEventListener('drop', (event) => {
	const box = document.querySelector('[data-verify]');
	if (!box) return;
	event.preventDefault();
	if (box.dataset.state !== 'ready') return;
	box.querySelector('#receipt').files = event.dataTransfer.files;
	check(box);
});

// load starts the program. It leaves a function behind, bgverifyReceipt.
async function load(box) {
	await script(box.dataset.starter);
	const go = new globalThis.Go();
	const { instance } = await WebAssembly.instantiateStreaming(fetch(box.dataset.program), go.importObject);
	go.run(instance);
}

function script(src) {
	return new Promise((resolve, reject) => {
		const element = document.createElement('script');
		element.nonce = document.querySelector('script[nonce]').nonce;
		element.addEventListener('load', resolve);
		element.addEventListener('error', () => reject(new Error('a part of it is missing')));
		element.src = src;
		document.head.append(element);
	});
}

// What is larger than any receipt is not read whole: the program refuses it by its size.
const most = 64 * 1024 + 1;
const bytes = async (file) => new Uint8Array(file ? await file.slice(0, most).arrayBuffer() : 0);

let turn = 0;

async function check(box) {
	const file = box.querySelector('#receipt').files[0];
	if (!file) return;
	const mine = ++turn;
	const list = box.querySelector('[data-findings]');
	list.replaceChildren();
	conclude(box, '', '');
	const kept = box.querySelector('#against').files[0];
	if (kept?.size === 0) {
		conclude(box, 'fails', 'The file with the checkpoint is empty: nothing would be compared. Choose another one, or none.');
		return;
	}
	let report;
	try {
		const [receipt, against] = await Promise.all([bytes(file), bytes(kept)]);
		if (mine !== turn) return;
		report = JSON.parse(globalThis.bgverifyReceipt(receipt, box.querySelector('#key').value.trim(), against));
	} catch {
		if (mine !== turn) return;
		conclude(box, 'fails', 'The file could not be read, or the check broke down. Load the page again.');
		return;
	}
	for (const { standing, text } of report.findings) {
		const item = document.createElement('li');
		const label = document.createElement('strong');
		item.className = { proven: 'holds', attested: 'attested', open: 'open' }[standing];
		label.textContent = { proven: 'Proven. ', attested: 'Attested. ', open: 'Open. ' }[standing];
		item.append(label, text);
		list.append(item);
	}
	conclude(box, report.holds ? (report.complete ? 'holds' : '') : 'fails', [report.headline, report.help].filter(Boolean).join(' '));
}

function conclude(box, outcome, words) {
	const verdict = box.querySelector('[data-verdict]');
	verdict.className = `verdict ${outcome}`.trim();
	verdict.textContent = words;
}
