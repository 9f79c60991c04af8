// The slider between before and after: a range input over both pictures, so that it works by mouse,
// touch, keyboard and screen reader alike.
export function setUpCompare(box) {
	const range = document.createElement('input');
	range.type = 'range';
	range.min = '0';
	range.max = '100';
	range.setAttribute('aria-label', 'How much of the original photo is shown');
	const split = (value) => {
		range.value = value;
		range.setAttribute('aria-valuetext', `${value} percent original, ${100 - value} percent cutout`);
		box.style.setProperty('--split', `${value}%`);
	};
	range.addEventListener('input', () => {
		box.classList.remove('reveal');
		split(Number(range.value));
	});
	box.append(range);
	box.classList.add('live', 'reveal');
	split(100);
	// Two frames, so that the browser has drawn the start before it moves to the end.
	requestAnimationFrame(() => requestAnimationFrame(() => split(40)));
}
