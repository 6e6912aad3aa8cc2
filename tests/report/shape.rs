//! What is not there, what stands side by side, what is printed.

use crate::world::{dataset, printed, report};

#[test]
fn of_an_empty_dataset_every_question_is_answered_in_words() {
    let parent = tempfile::tempdir().unwrap();
    let empty = dataset(&parent.path().join("census"), false, false);
    let text = printed(&[empty.to_str().unwrap()]);
    let questions = printed(&["--list"]).lines().count();
    assert_eq!(text.matches("No answer from census: its table `").count(), questions, "{text}");
    assert!(!text.contains('│'), "{text}");
}
