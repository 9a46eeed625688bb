// Rows in order, to which some are added: a long run is not sorted anew for every network.

const FEW = 200;

// Adds `more` where they belong; what is equal comes after what was there. Gives the places in order of `more`, each
// as it was when that one was put in; null where there were so many that all was sorted anew.
export function add(rows, more, compare) {
  if (more.length > FEW || !rows.length) {
    for (const row of more) rows.push(row);
    rows.sort(compare);
    return null;
  }
  return more.map((row) => {
    const place = lowest(rows.length, (index) => compare(rows[index], row) > 0);
    rows.splice(place, 0, row);
    return place;
  });
}

// The lowest index of so many from which on `isThere`, by halves.
export function lowest(count, isThere) {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isThere(middle)) high = middle; else low = middle + 1;
  }
  return low;
}
