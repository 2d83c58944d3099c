# Sourced by other scripts from the root of the project: afterwards `python3` has NumPy. Where it has none, a virtual
# environment with NumPy in the build folder comes first on the PATH.
if ! python3 -c 'import numpy' 2>/dev/null; then
    numpy="${CARGO_TARGET_DIR:-target}/numpy"
    case "$numpy" in /*) ;; *) numpy="$PWD/$numpy" ;; esac
    if ! "$numpy/bin/python3" -c 'import numpy' 2>/dev/null; then
        echo "No NumPy for python3: installing it into $numpy"
        if ! python3 -m venv "$numpy"; then
            echo "python3 has no venv: install python3-venv or python3-numpy (Debian, Ubuntu), then run this again" >&2
            exit 2
        fi
        "$numpy/bin/python3" -m pip install --quiet --disable-pip-version-check numpy
    fi
    export PATH="$numpy/bin:$PATH"
fi
