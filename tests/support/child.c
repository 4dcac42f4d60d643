#if !defined _WIN32
#define _POSIX_C_SOURCE 200809L
#endif
#include "support/child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CHILDREN

int child_run(const ChildPart *part, unsigned long argument) {
    Child child;
    return child_start(&child, part, argument) ? child_wait(&child) : -1;
}

#endif

#if defined _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

enum { KILLED = 1259, EVENT_NAME = 64 }; /* an exit status that no part has */

/* The arguments after the mark: the part, its argument, the event that says that it begins. */
static const char mark[] = "--child";

bool child_main(int argc, char **argv, const ChildPart *const *parts, size_t count, int *status) {
    if (argc != 5 || strcmp(argv[1], mark) != 0) return false;
    *status = 99;
    HANDLE begins = OpenEventA(EVENT_MODIFY_STATE, FALSE, argv[4]);
    if (begins) SetEvent(begins);
    for (size_t i = 0; i < count; i++)
        if (strcmp(argv[2], parts[i]->name) == 0)
            *status = parts[i]->run(strtoul(argv[3], NULL, 10));
    return true;
}

bool child_start(Child *child, const ChildPart *part, unsigned long argument) {
    static unsigned started;
    char program[MAX_PATH], line[MAX_PATH + 200], event[EVENT_NAME];
    STARTUPINFOA how = {.cb = sizeof how};
    PROCESS_INFORMATION made;
    fflush(NULL);
    if (!GetModuleFileNameA(NULL, program, sizeof program)) return false;
    snprintf(event, sizeof event, "child-%lu-%u", GetCurrentProcessId(), started++);
    snprintf(line, sizeof line, "\"%s\" %s %s %lu %s", program, mark, part->name, argument, event);
    HANDLE begins = CreateEventA(NULL, TRUE, FALSE, event);
    bool good =
        begins && CreateProcessA(program, line, NULL, NULL, FALSE, 0, NULL, NULL, &how, &made);
    if (good) {
        CloseHandle(made.hThread);
        child->handle = made.hProcess;
        WaitForMultipleObjects(2, (HANDLE[]){begins, made.hProcess}, FALSE, INFINITE);
    }
    if (begins) CloseHandle(begins);
    return good;
}

int child_wait(Child *child) {
    DWORD status = KILLED;
    WaitForSingleObject(child->handle, INFINITE);
    GetExitCodeProcess(child->handle, &status);
    CloseHandle(child->handle);
    return status == KILLED ? -1 : (int)status;
}

bool child_kill(Child *child) {
    TerminateProcess(child->handle, KILLED);
    return child_wait(child) == -1;
}

void child_pause(double seconds) {
    LARGE_INTEGER second, begin, now;
    QueryPerformanceFrequency(&second);
    QueryPerformanceCounter(&begin);
    do
        QueryPerformanceCounter(&now);
    while ((double)(now.QuadPart - begin.QuadPart) < seconds * (double)second.QuadPart);
}

#elif defined CHILDREN

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool child_main(int argc, char **argv, const ChildPart *const *parts, size_t count, int *status) {
    (void)argc, (void)argv, (void)parts, (void)count, (void)status;
    return false;
}

bool child_start(Child *child, const ChildPart *part, unsigned long argument) {
    fflush(NULL);
    pid_t process = fork();
    if (process == 0) _exit(part->run(argument));
    child->number = process;
    return process > 0;
}

int child_wait(Child *child) {
    int status;
    bool ended = waitpid((pid_t)child->number, &status, 0) == (pid_t)child->number;
    return ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool child_kill(Child *child) {
    return kill((pid_t)child->number, SIGKILL) == 0 && child_wait(child) == -1;
}

void child_pause(double seconds) {
    nanosleep(
        &(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)},
        NULL);
}

#endif
