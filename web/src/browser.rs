//! The way to JavaScript. A worker calls [`prepare`], then [`solve`], then asks for the factors.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use crate::files::File;
use crate::lists::lists;
use crate::run::{Finished, run};
use crate::wish::Wish;

#[wasm_bindgen(raw_module = "../report.js")]
extern "C" {
    /// Hands an event, as JSON, and the pixels of its picture, row by row, to the page.
    fn report(event: &str, pixels: &[f32], columns: usize);
    /// Hands the sentence of a failure to the page.
    fn fail(sentence: &str);
}

// A raw import, because what suspends must be called from WebAssembly without JavaScript in between.
#[link(wasm_import_module = "../turn.js")]
unsafe extern "C" {
    /// Suspends this call until the browser has kept its promises. `taken` is the number of turns of this wait before.
    safe fn turn(taken: u32);
}

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State { wish: None, files: Vec::new(), finished: None }) };
}

struct State {
    wish: Option<Wish>,
    files: Vec<File>,
    finished: Option<Finished>,
}

/// The words that the page offers, as JSON.
#[wasm_bindgen]
pub fn words() -> String {
    serde_json::to_string(&lists()).unwrap_or_default()
}

/// Begins a new wish. `can_wait` says whether [`solve`] will be called so that it can suspend; without it there is no GPU.
#[wasm_bindgen]
pub fn prepare(wish: &str, can_wait: bool) {
    std::panic::set_hook(Box::new(|panic| fail(&format!("a fault of the program: {panic}"))));
    if can_wait {
        lowrank::gpu::set_turn(give_turn);
    }
    match serde_json::from_str(wish) {
        Ok(wish) => {
            STATE.with_borrow_mut(|state| *state = State { wish: Some(wish), files: Vec::new(), finished: None })
        }
        Err(e) => fail(&format!("the page asked for something unknown: {e}")),
    }
}

fn give_turn(taken: u32) {
    turn(taken);
}

/// Adds a file of the user.
#[wasm_bindgen]
pub fn add_file(name: String, bytes: Vec<u8>) {
    STATE.with_borrow_mut(|state| state.files.push(File { name, bytes }));
}

/// Solves what was prepared. It has neither arguments nor a result, so that the raw export can be wrapped for suspension.
#[wasm_bindgen]
pub fn solve() {
    let taken = STATE.with_borrow_mut(|state| (state.wish.take(), std::mem::take(&mut state.files)));
    let (Some(wish), files) = taken else { return };
    let outcome = run(&wish, files, |event, picture| match serde_json::to_string(event) {
        Ok(text) => report(&text, &picture.pixels, picture.columns),
        Err(e) => fail(&e.to_string()),
    });
    match outcome {
        Ok(finished) => STATE.with_borrow_mut(|state| state.finished = Some(finished)),
        Err(e) => fail(&e.to_string()),
    }
}

/// A factor of the last run as a `.npy` file; empty where there is none.
#[wasm_bindgen]
pub fn factor(index: usize) -> Vec<u8> {
    STATE.with_borrow(|state| state.finished.as_ref().and_then(|finished| finished.npy(index).ok())).unwrap_or_default()
}
