/* Files that are replaced, on POSIX. A writer holds a lock on the file it writes, so that what a killed process
 * left can be told from what another process is at work on, in containers and over a network as well. */
#if !defined _WIN32
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64 /* folders and files past 32 bits, on 32-bit machines */
#endif
#include "base/replace.h"

#ifdef HC_FILES_POSIX

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { MOST_LINKS = 40, MOST_TRIES = 100, LINK = 4096 };

static atomic_ulong made; /* number of the next file of this process */

/* At first: MemorySanitizer does not know of every call here that it writes one. */
static const struct stat nothing;

/* ---- what is replaced ----------------------------------------------------------------------------------------- */

/* *to becomes what the link at *to names; false when that cannot be told. */
static HcStatus follow_once(char **to) {
    char text[LINK];
    ssize_t length = readlink(*to, text, sizeof text);
    if (length <= 0 || length == (ssize_t)sizeof text) return HC_ERR_IO;
    size_t folder = text[0] == '/' ? 0 : (size_t)(hc_last_name(*to) - *to);
    char *next = hc_alloc(folder + (size_t)length + 1, 1);
    if (!next) return HC_ERR_NOMEM;
    memcpy(next, *to, folder);
    memcpy(next + folder, text, (size_t)length);
    next[folder + (size_t)length] = 0;
    hc_free(*to);
    *to = next;
    return HC_OK;
}

/* Also to a name where there is no file yet. */
static HcStatus follow(char **to) {
    struct stat st = nothing;
    for (int links = 0; lstat(*to, &st) == 0 && S_ISLNK(st.st_mode); links++) {
        HcStatus status = links < MOST_LINKS ? follow_once(to) : HC_ERR_IO;
        if (status != HC_OK) return status;
    }
    return HC_OK;
}

/* Owner and permissions of the old file, as far as the system lets; who is no longer of its group gets no
 * more than everybody. */
static void take_after(int fd, const struct stat *old) {
    mode_t mode = old->st_mode & 0777;
    if (fchown(fd, old->st_uid, old->st_gid) != 0 && fchown(fd, (uid_t)-1, old->st_gid) != 0)
        mode &= ~(mode_t)070 | (mode & 07) << 3;
    if (fchmod(fd, mode) != 0) return; /* stays readable to its owner alone */
}

/* ---- what is written ------------------------------------------------------------------------------------------ */

static bool lock(int fd) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &whole) == 0;
}

/* Whether the name in the folder is still that of the open file. */
static bool is_still(int fd, int folder, const char *name) {
    struct stat open_one = nothing, named = nothing;
    return fstat(fd, &open_one) == 0 && fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

static void remove_left(int folder, const char *name) {
    int fd = openat(folder, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return;
    if (lock(fd) && is_still(fd, folder, name)) unlinkat(folder, name, 0);
    close(fd);
}

/* Removes what killed processes left beside the path. */
static void clean(const char *path) {
    char *name = hc_folder_of(path);
    DIR *folder = name ? opendir(name) : NULL;
    hc_free(name);
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        unsigned long process, number;
        if (!hc_is_temp(entry->d_name, hc_last_name(path), &process, &number)) continue;
        /* Locks are the process's: another thread's file is told by its number. */
        if (process != (unsigned long)getpid() || number >= atomic_load(&made))
            remove_left(dirfd(folder), entry->d_name);
    }
    closedir(folder);
}

/* A new file, locked where the file system has locks. Negative when there is none. */
static int create(const char *name, bool replaces) {
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, replaces ? 0600 : 0666);
    if (fd < 0) return -1;
    bool taken = !lock(fd) && (errno == EACCES || errno == EAGAIN); /* by one who cleans */
    if (!taken && is_still(fd, AT_FDCWD, name)) return fd;
    close(fd);
    errno = EEXIST;
    return -1;
}

static HcStatus open_beside(HcReplace *r, const struct stat *old) {
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < MOST_TRIES; tries++) {
        hc_free(r->temp);
        r->temp = hc_temp_name(r->path, (unsigned long)getpid(), atomic_fetch_add(&made, 1));
        if (!r->temp) return HC_ERR_NOMEM;
        fd = create(r->temp, old != NULL);
        if (fd < 0 && errno != EEXIST) break;
    }
    if (fd < 0) return HC_ERR_IO;
    if (old) take_after(fd, old);
    if ((r->file = fdopen(fd, "wb"))) return HC_OK;
    unlink(r->temp);
    close(fd);
    return HC_ERR_IO;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

HcStatus hc_replace_open(HcReplace *r, const char *path) {
    *r = (HcReplace){.path = hc_copy_text(path)};
    HcStatus status = r->path ? follow(&r->path) : HC_ERR_NOMEM;
    struct stat old = nothing;
    bool there = status == HC_OK && stat(r->path, &old) == 0;
    if (there && !S_ISREG(old.st_mode)) {
        if (!(r->file = fopen(r->path, "wb"))) status = HC_ERR_IO;
    } else if (there && faccessat(AT_FDCWD, r->path, W_OK, AT_EACCESS) != 0) {
        status = HC_ERR_IO; /* write-protected, which a rename would not mind */
    } else if (status == HC_OK) {
        clean(r->path);
        status = open_beside(r, there ? &old : NULL);
    }
    if (status != HC_OK) hc_replace_free(r);
    return status;
}

/* The new name itself. Not every file system, nor every folder, can be asked to. */
static bool flush_folder(const char *path) {
    char *name = hc_folder_of(path);
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    hc_free(name);
    if (fd < 0) return true;
    bool done = fsync(fd) == 0 || errno != EIO;
    close(fd);
    return done;
}

bool hc_replace_close(HcReplace *r, bool good) {
    if (!r->file) return false;
    good = good && fflush(r->file) == 0 && !ferror(r->file); /* not every fprintf tells */
    if (r->temp) {
        /* Renamed before it is closed, which ends the lock. */
        bool placed = good && fsync(fileno(r->file)) == 0 && rename(r->temp, r->path) == 0;
        if (!placed) unlink(r->temp);
        good = placed && flush_folder(r->path);
    }
    if (fclose(r->file) != 0) good = false;
    hc_replace_free(r);
    return good;
}

HcStatus hc_open(const char *path, FILE **file) {
    *file = fopen(path, "rb");
    return *file ? HC_OK : HC_ERR_IO;
}

#endif
