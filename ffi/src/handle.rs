//! Handles: numbers in a table of what is alive, dressed as pointers. They are never followed, so that a handle that was
//! freed, made up or meant for something else is found out and does no harm.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, TryLockError};

use crate::failure::Failure;
use crate::status::{CW_BAD_HANDLE, CW_BUSY, CW_INTERNAL, CW_POISONED, CW_REENTRANT};

/// What a handle can stand for.
pub(crate) trait Object: Send + Sync + 'static {
    /// The C type's name.
    const NAME: &'static str;
}

struct Slot<T> {
    /// `None` once it was freed: a call may have found the slot just before.
    value: RwLock<Option<T>>,
    /// Which thread holds the write lock; 0 for none.
    holder: AtomicU64,
}

struct Table {
    live: BTreeMap<usize, Arc<dyn Any + Send + Sync>>,
    last: usize,
}

static TABLE: Mutex<Table> = Mutex::new(Table { live: BTreeMap::new(), last: 0 });

fn table() -> MutexGuard<'static, Table> {
    // Nothing that is done under this lock leaves the table half changed.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What only one thread at a time may touch, whatever its type says: there is no way to it but `&mut`.
pub(crate) struct Exclusive<T: ?Sized>(T);

// SAFETY: a shared reference gives access to nothing.
unsafe impl<T: ?Sized + Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    pub(crate) fn get(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Makes a handle of a value.
pub(crate) fn insert<T: Object>(value: T) -> Result<usize, Failure> {
    let slot = Arc::new(Slot { value: RwLock::new(Some(value)), holder: AtomicU64::new(0) });
    let mut table = table();
    // Odd numbers: no pointer to a struct of the caller's is odd. Numbers come again only after half the address space.
    for _ in 0..=table.live.len() {
        table.last = table.last.wrapping_add(1);
        let number = table.last << 1 | 1;
        if number > 1 && !table.live.contains_key(&number) {
            table.live.insert(number, slot);
            return Ok(number);
        }
    }
    Err(Failure::new(CW_INTERNAL, "there is no free number for a handle"))
}

/// Makes a handle of a value and gives it to the caller as a pointer to a `C`, the type that stands for `T` in the header.
///
/// # Safety
/// `out` is not NULL, is aligned and points to a writable pointer.
pub(crate) unsafe fn hand_out<T: Object, C>(value: T, out: *mut *mut C) -> Result<(), Failure> {
    let number = insert(value)?;
    // SAFETY: the caller vouches for it.
    unsafe { out.write(number as *mut C) };
    Ok(())
}

/// Uses a value alone, for as long as the call takes.
pub(crate) fn with<T: Object, R>(handle: usize, body: impl FnOnce(&mut T) -> Result<R, Failure>) -> Result<R, Failure> {
    let slot = find::<T>(handle)?;
    let mut held = Held::lock(&slot)?;
    body(held.as_mut().ok_or_else(bad::<T>)?)
}

/// Looks at a value; others may look at the same time. `body` copies what it needs and calls nobody.
pub(crate) fn view<T: Object, R>(handle: usize, body: impl FnOnce(&T) -> Result<R, Failure>) -> Result<R, Failure> {
    let slot = find::<T>(handle)?;
    let value = match slot.value.try_read() {
        Ok(value) => value,
        Err(TryLockError::WouldBlock) => return Err(taken(&slot)),
        Err(TryLockError::Poisoned(_)) => return Err(poisoned::<T>()),
    };
    body(value.as_ref().ok_or_else(bad::<T>)?)
}

/// Ends a handle. One that is in use stays.
pub(crate) fn remove<T: Object>(handle: usize) -> Result<(), Failure> {
    if handle == 0 { Ok(()) } else { take::<T>(handle).map(drop) }
}

/// Ends a handle that is not in use, and gives what it stood for.
pub(crate) fn take<T: Object>(handle: usize) -> Result<T, Failure> {
    let slot = find::<T>(handle)?;
    let value = match slot.value.try_write() {
        Ok(mut value) => value.take(),
        Err(TryLockError::Poisoned(error)) => error.into_inner().take(),
        Err(TryLockError::WouldBlock) => return Err(taken(&slot)),
    };
    // Two threads that free the same handle: the second one comes too late.
    let value = value.ok_or_else(bad::<T>)?;
    table().live.remove(&handle);
    Ok(value)
}

fn find<T: Object>(handle: usize) -> Result<Arc<Slot<T>>, Failure> {
    if handle == 0 {
        return Err(Failure::null(T::NAME));
    }
    let found = table().live.get(&handle).cloned();
    found.and_then(|slot| slot.downcast().ok()).ok_or_else(bad::<T>)
}

fn bad<T: Object>() -> Failure {
    Failure::new(CW_BAD_HANDLE, format!("this is no live {}: it was freed, or is something else", T::NAME))
}

fn poisoned<T: Object>() -> Failure {
    Failure::new(CW_POISONED, format!("an earlier call with this {} failed inside the library: free it", T::NAME))
}

fn taken<T: Object>(slot: &Slot<T>) -> Failure {
    if slot.holder.load(Ordering::Relaxed) == this_thread() {
        Failure::new(CW_REENTRANT, format!("a callback calls back with the {} that it serves", T::NAME))
    } else {
        Failure::new(CW_BUSY, format!("another thread is in a call with this {}", T::NAME))
    }
}

/// The write lock, and who has it.
struct Held<'a, T> {
    value: RwLockWriteGuard<'a, Option<T>>,
    holder: &'a AtomicU64,
}

impl<'a, T: Object> Held<'a, T> {
    fn lock(slot: &'a Slot<T>) -> Result<Self, Failure> {
        match slot.value.try_write() {
            Ok(value) => {
                // Relaxed is enough: a thread finds its own number only if it has stored it itself.
                slot.holder.store(this_thread(), Ordering::Relaxed);
                Ok(Self { value, holder: &slot.holder })
            }
            Err(TryLockError::WouldBlock) => Err(taken(slot)),
            Err(TryLockError::Poisoned(_)) => Err(poisoned::<T>()),
        }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = Option<T>;

    fn deref(&self) -> &Option<T> {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut Option<T> {
        &mut self.value
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.holder.store(0, Ordering::Relaxed);
    }
}

/// A number for this thread, never 0; threads that are being torn down share the last one.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed));
    NUMBER.try_with(|number| *number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::boundary::boundary;
    use crate::status::CW_OK;

    struct Number(u32);
    impl Object for Number {
        const NAME: &'static str = "cw_number";
    }
    struct Other;
    impl Object for Other {
        const NAME: &'static str = "cw_other";
    }

    fn status(result: Result<(), Failure>) -> i32 {
        boundary(|| result)
    }

    #[test]
    fn freed_foreign_and_made_up_handles_are_found_out() {
        let (number, other) = (insert(Number(1)).unwrap(), insert(Other).unwrap());
        assert_eq!(with::<Number, _>(number, |n| Ok(n.0)).unwrap(), 1);
        assert_eq!(status(with::<Number, _>(other, |_| Ok(()))), CW_BAD_HANDLE);
        assert_eq!(status(remove::<Number>(other)), CW_BAD_HANDLE);
        assert_eq!(status(remove::<Number>(number)), CW_OK);
        assert_eq!(status(remove::<Number>(number)), CW_BAD_HANDLE);
        assert_eq!(status(view::<Number, _>(number, |_| Ok(()))), CW_BAD_HANDLE);
        assert_eq!(status(with::<Number, _>(usize::MAX, |_| Ok(()))), CW_BAD_HANDLE);
        assert_eq!(status(remove::<Number>(0)), CW_OK);
        assert_eq!(status(remove::<Other>(other)), CW_OK);
    }

    #[test]
    fn a_handle_in_use_is_refused_to_its_own_thread_and_to_others() {
        let handle = insert(Number(1)).unwrap();
        let result = with::<Number, _>(handle, |_| {
            assert_eq!(status(with::<Number, _>(handle, |_| Ok(()))), CW_REENTRANT);
            assert_eq!(status(remove::<Number>(handle)), CW_REENTRANT);
            let there = move || [status(with::<Number, _>(handle, |_| Ok(()))), status(remove::<Number>(handle))];
            assert_eq!(thread::spawn(there).join().unwrap(), [CW_BUSY; 2]);
            Ok(())
        });
        assert_eq!(status(result), CW_OK);
        assert_eq!(status(remove::<Number>(handle)), CW_OK);
    }

    #[test]
    fn readers_do_not_hinder_each_other() {
        let handle = insert(Number(1)).unwrap();
        let (here, there) = mpsc::channel();
        view::<Number, _>(handle, |_| {
            thread::spawn(move || here.send(status(view::<Number, _>(handle, |_| Ok(()))))).join().unwrap().unwrap();
            assert_eq!(there.recv().unwrap(), CW_OK);
            Ok(())
        })
        .unwrap();
        remove::<Number>(handle).unwrap();
    }

    #[test]
    fn a_panic_poisons_the_handle_which_can_still_be_freed() {
        let handle = insert(Number(1)).unwrap();
        assert_eq!(boundary(|| with::<Number, ()>(handle, |_| panic!("on purpose"))), CW_INTERNAL);
        assert_eq!(status(with::<Number, _>(handle, |_| Ok(()))), CW_POISONED);
        assert_eq!(status(view::<Number, _>(handle, |_| Ok(()))), CW_POISONED);
        assert_eq!(status(remove::<Number>(handle)), CW_OK);
    }
}
