! Tell slurmlens how far a job is, from Fortran 2003 and later:
!
!   use slurmlens_progress, only: progress, event
!   ...
!   call progress(i, steps)                                    ! i of steps are done
!   call progress(i, steps, name='residual', value=residual)   ! with a value that is shown beside it
!   call event('checkpoint written')                           ! onto the job's time line
!
! Compile it with slurmlens_progress_c.c, which holds slurmlens_progress.h:
!
!   gcc -c slurmlens_progress_c.c
!   gfortran -o model slurmlens_progress.f90 slurmlens_progress_c.o model.f90
!
! Never stops the program and prints nothing; what slurmlens_progress.h says of itself holds here as well.
module slurmlens_progress
  use, intrinsic :: iso_c_binding, only: c_char, c_double, c_int, c_null_char
  implicit none
  private
  public :: progress, event

  interface progress
    module procedure progress_of_integers, progress_of_reals
  end interface progress

  interface
    integer(c_int) function told_progress(done, total, name, value) bind(c, name='slurmlens_fortran_progress')
      import :: c_char, c_double, c_int
      real(c_double), value :: done, total, value
      character(kind=c_char), intent(in) :: name(*)
    end function told_progress

    integer(c_int) function told_event(text) bind(c, name='slurmlens_fortran_event')
      import :: c_char, c_int
      character(kind=c_char), intent(in) :: text(*)
    end function told_event
  end interface

contains

  subroutine progress_of_integers(done, total, name, value)
    integer, intent(in) :: done, total
    character(len=*), intent(in), optional :: name
    double precision, intent(in), optional :: value
    call progress_of_reals(dble(done), dble(total), name, value)
  end subroutine progress_of_integers

  subroutine progress_of_reals(done, total, name, value)
    double precision, intent(in) :: done, total
    character(len=*), intent(in), optional :: name
    double precision, intent(in), optional :: value
    integer(c_int) :: answer
    if (present(name) .and. present(value)) then
      answer = told_progress(done, total, trim(name)//c_null_char, value)
    else
      answer = told_progress(done, total, c_null_char, 0.0_c_double)
    end if
  end subroutine progress_of_reals

  subroutine event(text)
    character(len=*), intent(in) :: text
    integer(c_int) :: answer
    answer = told_event(trim(text)//c_null_char)
  end subroutine event

end module slurmlens_progress
