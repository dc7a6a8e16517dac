// Looks for faults of layout in the page that it stands in, and sends them to the page around it.
// The page is a copy, shown in a frame of a certain width and colour scheme; the frame's name says which.
(() => {
  // Widths and sizes in CSS pixels, contrasts as in WCAG 2.2, 1.4.3.
  const LEAST_TRACK = 120, LEAST_TEXT = 9, CONTRAST = 4.5, CONTRAST_LARGE = 3, LARGE = 24;
  // Longer runs of letters than this may break: they are no words of ours.
  const LONGEST_WORD = 24;
  // Written by machines or by models, broken wherever the line ends.
  const RAW = "pre, blockquote, code, .raw";

  const faults = [];
  const counted = { texts: 0, tracks: 0, scrollers: 0 };
  const fault = (kind, element, detail) => faults.push({ kind, where: pathOf(element), detail });
  const pathOf = (element) => {
    const name = (e) => e.localName + (e.id ? "#" + e.id : "") + [...e.classList].slice(0, 2).map((c) => "." + c).join("");
    const parts = [];
    for (let e = element; e && e !== document.body && parts.length < 3; e = e.parentElement) parts.unshift(name(e));
    return parts.join(" > ");
  };
  const styleOf = (element) => getComputedStyle(element);
  const scrolls = (element) => ["auto", "scroll"].includes(styleOf(element).overflowX);
  const isInScroller = (element) => {
    for (let e = element; e && e !== document.documentElement; e = e.parentElement) if (e !== document.body && scrolls(e)) return true;
    return false;
  };

  // The page itself must not scroll sideways.
  function pageOverflow() {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width + 1) return;
    const wide = [...document.body.querySelectorAll("*")].filter(
      (e) => e.getBoundingClientRect().right > width + 1 && !isInScroller(e.parentElement));
    const widest = wide.at(-1) ?? document.body;
    fault("page-overflow", widest, `the page is ${document.documentElement.scrollWidth} px wide`);
  }

  // A track whose marks are placed in percent says nothing when it has no width.
  function tracks(element) {
    const isMark = (e) => e.style.left.endsWith("%") && styleOf(e).position === "absolute";
    if (![...element.children].some(isMark)) return;
    counted.tracks += 1;
    const width = element.getBoundingClientRect().width;
    if (width < LEAST_TRACK) fault("collapsed-track", element, `${width.toFixed(0)} px wide`);
  }

  // What scrolls sideways has to say so, and the names of a table's rows have to stay.
  function scrollers(element) {
    if (!scrolls(element) || element.scrollWidth <= element.clientWidth + 1) return;
    counted.scrollers += 1;
    if (!styleOf(element).backgroundAttachment.includes("local")) fault("no-scroll-hint", element, "no shadow at the edge");
    const cell = element.querySelector("tbody tr > :first-child:not([colspan])");
    if (cell && styleOf(cell).position !== "sticky") fault("first-column-moves", cell, "not sticky");
  }

  function cutText(element) {
    const style = styleOf(element);
    const hides = ["hidden", "clip"].includes(style.overflowX);
    if (hides && element.textContent.trim() && element.scrollWidth > element.clientWidth + 1 && !(element instanceof SVGElement)) {
      fault("cut-text", element, `${element.scrollWidth} px in ${element.clientWidth}`);
    }
  }

  function texts(node) {
    const element = node.parentElement;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter((box) => box.width > 0.5 && box.height > 0.5);
    if (!boxes.length || styleOf(element).visibility === "hidden") return;
    counted.texts += 1;
    const detail = JSON.stringify(node.data.trim().slice(0, 40));
    if (!isInScroller(element) && boxes.some((box) => box.left < -1)) fault("cut-text", element, detail);
    if (boxes.length > 1 && !element.closest(RAW)) brokenWords(node, element);
    smallText(element, detail);
    contrast(element, detail);
  }

  function brokenWords(node, element) {
    const range = document.createRange();
    for (const word of node.data.matchAll(/[\p{L}\p{N}]{2,}/gu)) {
      if (word[0].length > LONGEST_WORD) continue;
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (tops.size > 1) fault("broken-word", element, word[0]);
    }
  }

  function smallText(element, detail) {
    const matrix = element instanceof SVGGraphicsElement ? element.getScreenCTM() : { a: 1, b: 0 };
    const scale = Math.hypot(matrix.a, matrix.b);
    const size = parseFloat(styleOf(element).fontSize) * scale;
    if (size < LEAST_TEXT) fault("tiny-text", element, `${size.toFixed(1)} px: ${detail}`);
  }

  const colour = (text) => {
    const parts = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    return parts.length < 4 ? [...parts, 1] : parts;
  };
  const over = (top, below) => top.slice(0, 3).map((part, i) => part * top[3] + below[i] * (1 - top[3]));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  function backgroundOf(element) {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(colour(styleOf(e).backgroundColor));
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    return layers.reduce((below, layer) => over(layer, below), dark ? [18, 18, 18] : [255, 255, 255]);
  }
  function contrast(element, detail) {
    const style = styleOf(element);
    const below = backgroundOf(element);
    const ink = colour(element instanceof SVGElement ? style.fill : style.color);
    for (let e = element; e; e = e.parentElement) ink[3] *= Number(styleOf(e).opacity);
    const [low, high] = [luminance(below), luminance(over(ink, below))].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    const least = parseFloat(style.fontSize) >= LARGE ? CONTRAST_LARGE : CONTRAST;
    if (ratio < least) fault("low-contrast", element, `${ratio.toFixed(2)} of ${least}: ${detail}`);
  }

  // Texts of a drawing, and marks with a text in one track, must not lie over one another or leave the drawing.
  function drawings(element) {
    const isDrawing = element.localName === "svg";
    const placed = isDrawing
      ? [...element.querySelectorAll("text")]
      : [...element.children].filter((e) => e.textContent.trim() && styleOf(e).position === "absolute");
    const around = element.getBoundingClientRect();
    const boxes = placed.map((e) => [e, e.getBoundingClientRect()]);
    boxes.forEach(([e, box], i) => {
      if (isDrawing && (box.left < around.left - 1 || box.right > around.right + 1)) fault("cut-text", e, e.textContent);
      for (const [other, b] of boxes.slice(i + 1)) {
        const apart = box.right <= b.left + 0.5 || b.right <= box.left + 0.5 || box.bottom <= b.top + 2 || b.bottom <= box.top + 2;
        if (!apart) fault("texts-overlap", e, `${e.textContent} and ${other.textContent}`);
      }
    });
  }

  function measure() {
    const folded = document.documentElement.scrollHeight;
    // What is folded is looked at as well.
    for (const details of document.querySelectorAll("details")) details.open = true;
    pageOverflow();
    for (const element of document.body.querySelectorAll("*")) {
      if (["script", "style"].includes(element.localName)) continue;
      if (!element.getClientRects().length) continue;
      tracks(element);
      scrollers(element);
      cutText(element);
      drawings(element);
      for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE && node.data.trim()) texts(node);
    }
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const heights = { folded, unfolded: document.documentElement.scrollHeight };
    parent.postMessage({ job: window.name, width: innerWidth, dark, ...heights, ...counted, faults }, "*");
  }
  addEventListener("load", measure);
})();
