//! Which pages of a heap stay private from message to message.
//!
//! The kernel copies a page at the first write to it, which costs a fault, and bringing back the file's page makes the next write cost another.
//! Most messages write to the same pages: the stack, the allocator's own, where arguments are put. Those stay private, which is called warm here,
//! as long as they are written to again within [`MAX_IDLE`] messages. Whether a warm page was changed is found by comparing it with the
//! snapshot, and it goes back to the snapshot by being copied from there.
//!
//! Invariant, between messages: a private page is warm and holds what the kept snapshot holds; of all other pages the file does.

use super::heap::{Heap, PAGE, add_page};
use super::snapshot::HeapSnapshot;
use std::io;
use std::iter::Peekable;

/// Warm pages of an instance: 16 MiB, four times what the largest argument makes a message write to.
const MAX_WARM: usize = 4096;

/// Messages that leave a warm page as it is before it cools down: about as many comparisons as cost what a fault costs.
const MAX_IDLE: u8 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WarmPage {
    number: usize,
    /// Messages since it was written to.
    idle: u8,
}

/// The warm pages of one heap, ascending.
#[derive(Debug, Default)]
pub(super) struct WarmPages(Vec<WarmPage>);

impl WarmPages {
    /// Makes `kept` what `heap` has now. Costs the pages written to, those that are warm, and 8 bytes for every page of the heap.
    ///
    /// # Errors
    /// Then neither the heap nor `kept` can be relied on any more.
    pub fn keep(&mut self, heap: &Heap, kept: &mut HeapSnapshot) -> io::Result<()> {
        kept.grow_to(heap.size());
        let room = room(heap);
        let mut known = Known::new(&self.0);
        let mut warm = Vec::with_capacity(self.0.len());
        let mut cold = Vec::new();
        for number in heap.private()?.into_iter().flatten() {
            let content = heap.page(number);
            let idle = match known.find(number)? {
                Some(idle) if content == kept.page(number) => idle + 1,
                _ => {
                    kept.set_page(number, content);
                    0
                }
            };
            if idle <= MAX_IDLE && warm.len() < room {
                warm.push(WarmPage { number, idle });
            } else {
                add_page(&mut cold, number);
            }
        }
        known.end()?;
        heap.write_back(&cold)?;
        self.0 = warm;
        Ok(())
    }

    /// Makes `to` what `heap` has now and what is kept, which was `from`. Costs the pages that were written to or differ, and those that are warm.
    ///
    /// # Errors
    /// Then the heap cannot be relied on any more.
    pub fn restore(
        &mut self,
        heap: &Heap,
        from: &HeapSnapshot,
        to: &HeapSnapshot,
    ) -> io::Result<()> {
        let room = room(heap);
        let mut known = Known::new(&self.0);
        let mut warm = Vec::with_capacity(self.0.len());
        let mut cold = Vec::new();
        for number in heap.private()?.into_iter().flatten() {
            let (was, content) = (known.find(number)?, to.page(number));
            let unchanged = heap.page(number) == content;
            let idle = match was {
                Some(idle) if unchanged => idle + 1,
                _ => 0,
            };
            if idle <= MAX_IDLE && warm.len() < room {
                if !unchanged {
                    heap.overwrite(number, content);
                }
                warm.push(WarmPage { number, idle });
                continue;
            }
            if was.is_some() {
                heap.set_file(number, content)?;
            }
            add_page(&mut cold, number);
        }
        known.end()?;
        heap.forget(&cold)?;
        // What differs now will differ again at the next commit, unless everything does because the instance is new.
        let room = if from.is_blank() { 0 } else { room };
        let found = warm.len();
        for number in to.differing(from) {
            let is_warm = |page: &WarmPage| page.number.cmp(&number);
            if warm[..found].binary_search_by(is_warm).is_ok() {
                continue;
            }
            if warm.len() < room {
                heap.overwrite(number, to.page(number));
                warm.push(WarmPage { number, idle: 0 });
            } else {
                heap.set_file(number, to.page(number))?;
            }
        }
        warm.sort_unstable_by_key(|page| page.number);
        self.0 = warm;
        Ok(())
    }

    /// Makes the file have everything that is kept, before another heap takes it over. No page is warm afterwards.
    ///
    /// # Errors
    /// Then the file cannot be relied on any more.
    pub fn write_to_file(&mut self, heap: &Heap, kept: &HeapSnapshot) -> io::Result<()> {
        for page in self.0.drain(..) {
            heap.set_file(page.number, kept.page(page.number))?;
        }
        Ok(())
    }
}

/// How many pages may be warm. None where private pages are found by comparing them with the file, which has to be right then.
fn room(heap: &Heap) -> usize {
    if heap.knows_private() { MAX_WARM } else { 0 }
}

/// Looks warm pages up in ascending order, and notices where one is not private any more, which nothing but a fault can bring about.
struct Known<'a>(Peekable<std::slice::Iter<'a, WarmPage>>);

impl Known<'_> {
    fn new(pages: &[WarmPage]) -> Known<'_> {
        Known(pages.iter().peekable())
    }

    /// How long the page has been idle, if it is warm. All private pages have to be asked for, ascending.
    fn find(&mut self, number: usize) -> io::Result<Option<u8>> {
        match self.0.next_if(|page| page.number <= number) {
            None => Ok(None),
            Some(page) if page.number == number => Ok(Some(page.idle)),
            Some(page) => Err(lost(page)),
        }
    }

    fn end(mut self) -> io::Result<()> {
        self.0.next().map_or(Ok(()), |page| Err(lost(page)))
    }
}

fn lost(page: &WarmPage) -> io::Error {
    io::Error::other(format!("page {} of {PAGE} bytes was lost", page.number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::slice::from_ref;

    /// A heap with what is kept of it.
    struct Kept {
        heap: Heap,
        warm: WarmPages,
        kept: HeapSnapshot,
    }

    impl Kept {
        fn new(pages: usize) -> Kept {
            let mut new = Kept {
                heap: Heap::for_test(pages),
                warm: WarmPages::default(),
                kept: HeapSnapshot::default(),
            };
            new.keep();
            new
        }

        fn keep(&mut self) {
            self.warm.keep(&self.heap, &mut self.kept).unwrap();
        }

        fn restore(&mut self, to: &HeapSnapshot) {
            self.warm.restore(&self.heap, &self.kept, to).unwrap();
            self.kept = to.clone();
        }

        /// As a message would.
        fn write(&self, page: usize, value: u8) {
            let mut content = *self.heap.page(page);
            content[usize::from(value)] = value;
            self.heap.overwrite(page, &content);
        }

        fn content(&self) -> Vec<u8> {
            self.heap.pages(0..self.heap.size() / PAGE).to_vec()
        }

        /// What the file has: the heap without its private pages, for good.
        fn file(mut self) -> Vec<u8> {
            self.warm.write_to_file(&self.heap, &self.kept).unwrap();
            self.heap.forget(&self.heap.private().unwrap()).unwrap();
            self.content()
        }
    }

    #[test]
    fn what_is_written_again_and_again_stays_private_and_cools_down_after_that() {
        let mut kept = Kept::new(16);
        for value in 0..3 {
            kept.write(5, value);
            kept.keep();
            assert_eq!(kept.heap.private().unwrap(), from_ref(&(5..6)));
        }
        for _ in 0..MAX_IDLE {
            kept.keep();
            assert_eq!(kept.heap.private().unwrap(), from_ref(&(5..6)));
        }
        kept.keep();
        assert!(kept.heap.private().unwrap().is_empty());
        assert_eq!(kept.heap.page(5)[..4], [0, 1, 2, 0]);
        assert_eq!(kept.content(), kept.file());
    }

    #[test]
    fn a_page_that_is_lost_is_noticed() {
        let mut kept = Kept::new(16);
        kept.write(5, 1);
        kept.keep();
        kept.heap.forget(from_ref(&(5..6))).unwrap();
        assert!(kept.warm.keep(&kept.heap, &mut kept.kept.clone()).is_err());
        let to = kept.kept.clone();
        assert!(kept.warm.restore(&kept.heap, &kept.kept, &to).is_err());
    }

    #[test]
    fn there_is_a_bound_and_everything_is_right_beyond_it() {
        let pages = MAX_WARM + 64;
        let mut kept = Kept::new(pages);
        for page in 0..pages {
            kept.write(page, 1);
        }
        kept.keep();
        assert_eq!(kept.heap.private().unwrap(), from_ref(&(0..MAX_WARM)));
        let snapshot = kept.kept.clone();
        let content = kept.content();
        for page in 0..pages {
            kept.write(page, 2);
        }
        kept.restore(&snapshot);
        assert!(kept.content() == content);
        assert!(kept.file() == content);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(usize, u8),
        Keep,
        Drop,
        /// Another instance's restore to the n-th of what was kept.
        Follow(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..24usize, 1..200u8).prop_map(|(page, value)| Step::Write(page, value)),
            4 => Just(Step::Keep),
            2 => Just(Step::Drop),
            3 => (0..8usize).prop_map(Step::Follow),
        ]
    }

    proptest! {
        /// Whatever is written, kept and dropped: the heap has what a plain copy has, and so has one that follows it.
        #[test]
        fn the_heap_is_what_was_kept(steps in proptest::collection::vec(step(), 1..120)) {
            let mut writer = Kept::new(24);
            let mut reader = Kept::new(24);
            let mut current = writer.content();
            let mut versions = vec![(writer.kept.clone(), current.clone())];
            for step in steps {
                match step {
                    Step::Write(page, value) => {
                        writer.write(page, value);
                        current[page * PAGE + usize::from(value)] = value;
                    }
                    Step::Keep => {
                        writer.keep();
                        versions.push((writer.kept.clone(), current.clone()));
                    }
                    Step::Drop => {
                        let kept = writer.kept.clone();
                        writer.restore(&kept);
                        current.clone_from(&versions.last().unwrap().1);
                    }
                    Step::Follow(back) => {
                        // What a query changes is dropped with the next restore.
                        reader.write(back, 250);
                        let (snapshot, content) = &versions[versions.len().saturating_sub(back + 1)];
                        reader.restore(snapshot);
                        prop_assert!(reader.content() == *content);
                    }
                }
                prop_assert!(writer.content() == current);
            }
            let kept = writer.kept.clone();
            writer.restore(&kept);
            prop_assert!(writer.file() == versions.last().unwrap().1);
        }
    }
}
