// What the criteria were before each change, for undo and redo. Typing into one control is one change.
const MOST = 200;

export class Past {
  constructor(state) {
    this.states = [state];
    this.place = 0;
    this.key = null;
  }

  note(state, key = null) {
    if (state === this.states[this.place]) return;
    const goesOn = key !== null && key === this.key && this.place > 0;
    this.states.splice(goesOn ? this.place : this.place + 1, Infinity, state);
    if (this.states.length > MOST) this.states.shift();
    this.place = this.states.length - 1;
    this.key = key;
  }

  // Whatever is typed from now on is another change.
  pause() { this.key = null; }

  get canUndo() { return this.place > 0; }
  get canRedo() { return this.place < this.states.length - 1; }

  step(by) {
    const place = this.place + by;
    if (place < 0 || place >= this.states.length) return null;
    this.place = place;
    this.pause();
    return this.states[place];
  }
}
