// Shows another page of this site in place: the server renders it, and only its <main> is taken over. So
// there is one way in which a page comes about, with and without JavaScript.
export const swapped = 'bgremover:swapped';

let shown = location.pathname;

// Going back to a page that was swapped away has to fetch it.
addEventListener('popstate', () => {
	if (location.pathname !== shown) location.reload();
});

/**
 * @param {string} url of the page
 * @param {{local?: string}} options local: address of the visitor's own photo, shown as "before" without asking the server
 */
export async function show(url, { local } = {}) {
	const answer = await fetch(url, { headers: { Accept: 'text/html' } });
	const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
	const main = next.querySelector('main');
	const now = document.querySelector('main');
	if (!main || !now) {
		location.assign(url);
		return;
	}
	if (local) useLocal(main, local);
	const hadFocus = now.contains(document.activeElement) || document.activeElement === document.body;
	now.replaceWith(document.adoptNode(main));
	document.title = next.title;
	const path = new URL(url, location.href).pathname;
	if (path !== shown) {
		history.pushState(null, '', url);
		shown = path;
		scrollTo(0, 0);
	}
	const heading = main.querySelector('h1');
	if (heading && hadFocus) heading.focus({ preventScroll: true });
	const announce = document.getElementById('announce');
	if (heading && announce) announce.textContent = heading.textContent;
	document.dispatchEvent(new CustomEvent(swapped));
}

// A photo that this browser cannot show comes from the server after all.
function useLocal(main, local) {
	for (const img of main.querySelectorAll('img[data-before]')) {
		const remote = img.getAttribute('src');
		img.addEventListener('error', () => { img.src = remote; }, { once: true });
		img.src = local;
	}
}
